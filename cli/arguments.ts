import { isIP } from 'node:net';

import { InvalidArgumentError } from 'commander';

import { nameFault } from '#core/names.ts';

/** A port number. @throws InvalidArgumentError */
export function portArgument(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) < 1 || Number(text) > 65_535)
    throw new InvalidArgumentError('Write a port from 1 to 65535.');
  return Number(text);
}

/** A name of a service or a namespace. @throws InvalidArgumentError */
export function nameArgument(what: string): (text: string) => string {
  return (text) => {
    const fault = nameFault(what, text);
    if (fault) throw new InvalidArgumentError(fault);
    return text;
  };
}

/** An IP address. @throws InvalidArgumentError */
export function addressArgument(text: string): string {
  if (isIP(text) === 0) throw new InvalidArgumentError('Write an IP address of this machine.');
  return text;
}

/** Whole seconds, as milliseconds. @throws InvalidArgumentError */
export function secondsArgument(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new InvalidArgumentError('Write whole seconds.');
  return Number(text) * 1000;
}
