/** Three significant digits where there are fewer, whole numbers with commas beyond. */
export function figure(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en-US');
  return Number(value.toPrecision(3)).toString();
}

/** A ratio, with two decimals. */
export function ratioText(ratio: number | undefined): string {
  return ratio === undefined ? '' : ratio.toFixed(2);
}
