/** The roles that a task can name (worker_profile.rs `SubAgentType`). */
export const WORKER_ROLES = [
  'general',
  'explore',
  'plan',
  'review',
  'implementer',
  'verifier',
  'custom',
] as const;
