/**
 * Ids are `<prefix>_<body>`: our bodies are 21 characters of nanoid, any non-empty body is accepted (decision 13).
 * Making one needs randomness, so that happens outside of this room; here they are only recognised.
 */

export const ID_PREFIXES = {
  message: 'msg',
  session: 'sess',
  job: 'job',
  stream: 'str',
  subscription: 'sub',
  lease: 'lease',
  artifact: 'art',
  result: 'res',
  credential: 'cred',
  checkpoint: 'chk',
  delegation: 'del',
  schedule: 'sched',
  resumeToken: 'rt',
} as const;

export type IdKind = keyof typeof ID_PREFIXES;

export type Id<Kind extends IdKind> = `${(typeof ID_PREFIXES)[Kind]}_${string}`;
export type MessageId = Id<'message'>;
export type SessionId = Id<'session'>;
export type JobId = Id<'job'>;

/** Longest id that is taken from the wire, in UTF-16 units. */
export const MAX_ID_LENGTH = 256;

/** Whether `text` is an id of this kind: its prefix and a non-empty body of any form (decision 13). */
export function isId<Kind extends IdKind>(kind: Kind, text: string): text is Id<Kind> {
  const prefix = ID_PREFIXES[kind];
  return (
    text.length > prefix.length + 1 &&
    text.length <= MAX_ID_LENGTH &&
    text.charCodeAt(prefix.length) === 0x5f &&
    text.startsWith(prefix)
  );
}
