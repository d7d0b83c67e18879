/** What `arcp serve` does, wherever it was said: on the command line, in a config file, or nowhere. */
import type { HandoffRuntime } from '../../index.js';
import type { TrustLevel } from '../../protocol/index.js';
import type { Limits } from '../../runtime/limits.js';
import type { ConfiguredSchedule } from '../config/schema.js';
import type { McpCommand } from '../../mcp/connection.js';
import type { LogLevelName } from '../logging.js';
import type { Token } from '../tokens.js';

export type PrincipalTrust = readonly [principal: string, level: TrustLevel];

/** A runtime to hand over to, as `--handoff-target` names it. */
export type HandoffTarget = Pick<HandoffRuntime, 'name' | 'url' | 'fingerprint'>;

/** An agent that is a process. */
export interface ProcessSetting {
  readonly name: string;
  readonly version: string;
  readonly command: readonly string[];
}

export interface ServeSettings {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Modules that export agents. */
  readonly agents: readonly string[];
  readonly processes: readonly ProcessSetting[];
  /** For all of those: how many may wait for another job, what they may read, which variables they are given. */
  readonly pool: number;
  readonly processReads: readonly string[];
  readonly processEnv: readonly string[];
  /** `NAME@VERSION` of those whose jobs without a lease may do everything. */
  readonly trustedProcesses: readonly string[];
  /** MCP servers whose tools are agents. */
  readonly mcp: readonly McpCommand[];
  readonly conformance: boolean;
  /** Whether it runs fleets. */
  readonly fleet: boolean;
  readonly store: 'memory' | 'sqlite';
  readonly data: string;
  readonly durability: 'full' | 'normal';
  /** Given in sight of everybody. */
  readonly tokens: readonly Token[];
  /** Environment variables that hold one each. */
  readonly envTokens: readonly { readonly env: string; readonly principal: string }[];
  readonly tokenFiles: readonly string[];
  readonly anonymous: boolean;
  readonly gateway: { readonly url: string; readonly keyEnv: string } | undefined;
  readonly trust: readonly PrincipalTrust[];
  /** The runtimes that jobs may be handed over to; their tokens are environment variables. */
  readonly handoffs: readonly HandoffTarget[];
  /** Principals whose sessions may host agents. */
  readonly hosts: readonly string[];
  readonly origins: readonly string[];
  /** Those that are other than their defaults. */
  readonly limits: Partial<Limits>;
  readonly schedules: readonly ConfiguredSchedule[];
  /** Milliseconds that running jobs get when it is told to stop. */
  readonly drain: number;
  readonly logLevel: LogLevelName;
  /** Whether what happens to the listener is told as JSON lines. */
  readonly json: boolean;
}

export const DEFAULT_SETTINGS: ServeSettings = {
  host: '127.0.0.1',
  port: 7777,
  agents: [],
  processes: [],
  pool: 0,
  processReads: [],
  processEnv: [],
  trustedProcesses: [],
  mcp: [],
  conformance: false,
  fleet: false,
  store: 'sqlite',
  data: '.arcp',
  durability: 'full',
  tokens: [],
  envTokens: [],
  tokenFiles: [],
  anonymous: false,
  gateway: undefined,
  trust: [],
  handoffs: [],
  hosts: [],
  origins: [],
  limits: {},
  schedules: [],
  drain: 30_000,
  logLevel: 'info',
  json: false,
};

/** Where the master key of a gateway is looked for, unless something else is said. */
export const GATEWAY_KEY = 'ARCP_GATEWAY_KEY';
