/** Message priorities, lowest first (RFC 0001 §6.5). `normal` is what a missing one means, and is not written. */
export const PRIORITIES = ['low', 'normal', 'high', 'critical'] as const;

export type Priority = (typeof PRIORITIES)[number];
