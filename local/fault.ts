/** Something the user must put right, as a sentence; the process ends with the code. */
export class Fault extends Error {
  override readonly name = 'Fault';
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}
