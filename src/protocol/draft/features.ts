/** What the two sides of a session may agree on beyond version 1.0 of the draft (draft-1.1 §6.2). */

export const DRAFT_FEATURES = [
  'heartbeat',
  'ack',
  'list_jobs',
  'subscribe',
  'lease_expires_at',
  'cost.budget',
  'model.use',
  'provisioned_credentials',
  'progress',
  'result_chunk',
  'agent_versions',
] as const;

export type DraftFeature = (typeof DRAFT_FEATURES)[number];

/** What both sides have, in the order of the table. Names that the draft does not know are passed over. */
export function commonFeatures(
  ours: readonly DraftFeature[],
  theirs: readonly string[] | undefined,
): DraftFeature[] {
  const asked = new Set(theirs);
  return ours.filter((feature) => asked.has(feature));
}
