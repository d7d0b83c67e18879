/** What PagerDuty's Events API v2 takes as `severity`. */
export const PAGER_SEVERITIES = ['critical', 'error', 'warning', 'info'] as const;

export type PagerSeverity = (typeof PAGER_SEVERITIES)[number];
