/** Names of environment variables, and which of them never travel because they look like secrets. */

const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

const SECRET = /SECRET|TOKEN|PASSWORD|PASSWD|API_?KEY|CREDENTIAL|PRIVATE_?KEY/i;

export function isVariableName(name: string): boolean {
  return NAME.test(name);
}

/** Whether a variable of that name is taken for a secret: it goes to no remote by an allowlist, only by reference. */
export function looksSecret(name: string): boolean {
  return SECRET.test(name);
}
