/** Says how far things are, each line with the time since the start; to standard error, so that JSON has the other to itself. */
export function progress(
  write: (line: string) => void = (line) => void process.stderr.write(line),
): (line: string) => void {
  const started = performance.now();
  return (line) => {
    const seconds = Math.round((performance.now() - started) / 1000);
    write(
      `[${String(Math.floor(seconds / 60)).padStart(2)}:${String(seconds % 60).padStart(2, '0')}] ${line}\n`,
    );
  };
}
