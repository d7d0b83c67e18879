/** The language of draft-1.1: envelopes, messages and event kinds. Pure, like the native one. */
export * from './envelope.js';
export * from './errors.js';
export { EVENT_KIND_NAMES, EVENT_KINDS, type EventKind } from './event-kinds.js';
export * from './features.js';
export * from './messages.js';
export * from './statuses.js';
export * from './trace-id.js';
