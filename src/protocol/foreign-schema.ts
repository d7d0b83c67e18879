/** What checking a value against a JSON Schema of somebody else's may cost, and how much of its complaints is told. */

/** Of the schema's size times the parts of the value; beyond, it is not checked. */
export const MAX_SCHEMA_STEPS = 8_000_000;

/** Complaints that are told; more help nobody. */
export const MAX_COMPLAINTS = 10;

/** Longest complaint, in UTF-16 units: some quote the schema. */
const MAX_COMPLAINT = 200;

export function cutComplaint(text: string): string {
  return (text.length <= MAX_COMPLAINT ? text : `${text.slice(0, MAX_COMPLAINT)}…`).toWellFormed();
}

/** Values in a value, itself and the names of members included. */
export function partsOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  let parts = 1;
  for (const member of Object.values(value)) parts += 1 + partsOf(member);
  return parts;
}
