/** What a command that only does something says when it is done: a line on stderr, and with `--json` an object on stdout. */
export function tell(
  { json }: { readonly json?: true },
  data: Readonly<Record<string, unknown>>,
  line: string,
): void {
  if (json === true) process.stdout.write(`${JSON.stringify(data)}\n`);
  else process.stderr.write(`${line}\n`);
}
