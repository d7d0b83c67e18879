/** The named bounds that `tool_profile` sets on what a task's role allows. They only narrow (L4). */

interface ToolProfileRule {
  readonly write: boolean;
  readonly network: boolean;
  /** The widest shell policy. */
  readonly shell: 'none' | 'read_only' | 'full';
  readonly meaning: string;
}

export const TOOL_PROFILES = {
  inherit: { write: true, network: true, shell: 'full', meaning: 'What the role allows.' },
  full: { write: true, network: true, shell: 'full', meaning: 'What the role allows.' },
  'read-only': { write: false, network: false, shell: 'read_only', meaning: 'Reading and nothing else.' },
  'no-shell': { write: true, network: true, shell: 'none', meaning: 'Without a shell.' },
  'no-network': { write: true, network: false, shell: 'full', meaning: 'Without the network.' },
} as const satisfies Record<string, ToolProfileRule>;

export type ToolProfile = keyof typeof TOOL_PROFILES;

export const TOOL_PROFILE_NAMES = Object.keys(TOOL_PROFILES) as [ToolProfile, ...ToolProfile[]];

/** The profile of a name, `_` for `-` too. */
export function toolProfile(name: string): ToolProfile | undefined {
  const own = name.replaceAll('_', '-');
  return Object.hasOwn(TOOL_PROFILES, own) ? (own as ToolProfile) : undefined;
}
