/**
 * An MCP server whose tools are agents of a runtime, for as long as the runtime lives.
 *
 * (M1) Its tools are hosted from its start on; when it says that they changed, agents come and go. A job that runs is
 *      not touched by that.
 * (M2) When it ends, its jobs fail with UNAVAILABLE and what it printed last. It is started again after a while that
 *      doubles each time it does not last; meanwhile its agents are there, and their jobs fail at once, to be tried again.
 * (M3) A server that does not start the first time is an error of whoever named it.
 * (M4) Nothing that it says is asked of anybody: it gets no sampling, no roots and no elicitation.
 */
import type { CallToolResult, Tool } from '@modelcontextprotocol/sdk/types.js';
import type { Agent } from '../agents/agent.js';
import { systemClock, type Clock, type Timer } from '../clock.js';
import { ArcpError } from '../protocol/errors.js';
import { silentLogger, type Logger } from '../runtime/logger.js';
import { McpConnection, type McpCommand } from './connection.js';
import { DEFAULT_MCP_LIMITS, type McpLimits } from './limits.js';
import { isServerName } from './names.js';
import { toolAgent, type ToolCall } from './tool-agent.js';

/** Where its agents are hosted: a runtime. */
export interface AgentHost {
  register(agent: Agent): void;
  unregister(agent: Agent): void;
}

export interface McpServerOptions extends McpCommand {
  readonly host: AgentHost;
  readonly logger?: Logger;
  readonly limits?: Partial<McpLimits>;
  /** For tests. */
  readonly clock?: Clock;
}

type Phase =
  | { readonly kind: 'new' }
  | { readonly kind: 'starting' }
  | { readonly kind: 'serving'; readonly connection: McpConnection; readonly since: number }
  | { readonly kind: 'waiting'; readonly timer: Timer }
  | { readonly kind: 'closed' };

interface Hosted {
  /** What the agent was made from, as text. */
  readonly made: string;
  readonly agent: Agent;
}

export class McpServer {
  readonly #options: McpServerOptions;
  readonly #limits: McpLimits;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #hosted = new Map<string, Hosted>();
  #phase: Phase = { kind: 'new' };
  #failures = 0;
  #calls = 0;
  #listing: Promise<void> = Promise.resolve();
  #listingsAsked = 0;

  /** @throws ArcpError INVALID_ARGUMENT for a name that is none. */
  constructor(options: McpServerOptions) {
    if (!isServerName(options.name))
      throw new ArcpError(
        'INVALID_ARGUMENT',
        'the name of an MCP server is 1 to 64 of a-z 0-9 _ -, and begins with a letter or a digit',
      );
    this.#options = options;
    this.#limits = { ...DEFAULT_MCP_LIMITS, ...options.limits };
    this.#logger = options.logger ?? silentLogger;
    this.#clock = options.clock ?? systemClock;
  }

  /** The agents that its tools are now. */
  get agents(): readonly Agent[] {
    return [...this.#hosted.values()].map(({ agent }) => agent);
  }

  /** Resolves when its tools are hosted; rejects with why it cannot be started (M3). */
  async start(): Promise<void> {
    if (this.#phase.kind !== 'new') throw new ArcpError('FAILED_PRECONDITION', 'it was started before');
    await this.#open();
  }

  /** Ends it; its agents are hosted no more, and its jobs fail. */
  async close(): Promise<void> {
    const phase = this.#phase;
    this.#phase = { kind: 'closed' };
    for (const { agent } of this.#hosted.values()) this.#options.host.unregister(agent);
    this.#hosted.clear();
    if (phase.kind === 'waiting') phase.timer.cancel();
    if (phase.kind === 'serving') await phase.connection.close();
  }

  async #open(): Promise<void> {
    this.#phase = { kind: 'starting' };
    const life: { opened?: McpConnection; ended?: true } = {};
    const connection = await McpConnection.open(this.#options, this.#limits, this.#logger, {
      ended: () => {
        life.ended = true;
        if (life.opened !== undefined) this.#ended(life.opened);
      },
      toolsChanged: () => {
        if (life.opened !== undefined) this.#listAgain(life.opened);
      },
    });
    try {
      await this.#list(connection);
      if (life.ended) throw new ArcpError('UNAVAILABLE', await this.#endOf(connection));
    } catch (error) {
      await connection.close();
      throw error;
    }
    if (this.#isClosed) {
      await connection.close();
      return;
    }
    life.opened = connection;
    this.#phase = { kind: 'serving', connection, since: this.#clock.now() };
    this.#logger.info({ mcp: this.#options.name, agents: this.#hosted.size }, 'an MCP server is there');
  }

  get #isClosed(): boolean {
    return this.#phase.kind === 'closed';
  }

  /** (M2) */
  #ended(connection: McpConnection): void {
    if (this.#phase.kind !== 'serving' || this.#phase.connection !== connection) return;
    if (this.#clock.now() - this.#phase.since >= this.#limits.steadyMs) this.#failures = 0;
    this.#logger.warn({ mcp: this.#options.name }, 'an MCP server ended');
    this.#wait();
  }

  #wait(): void {
    const { minRestartMs, maxRestartMs } = this.#limits;
    const ms = Math.min(maxRestartMs, minRestartMs * 2 ** this.#failures);
    this.#failures += 1;
    const timer = this.#clock.timer(ms, () => {
      this.#open().catch((error: unknown) => {
        if (this.#isClosed) return;
        const { message: reason } = ArcpError.from(error);
        this.#logger.error({ mcp: this.#options.name, reason }, 'an MCP server cannot be started');
        this.#wait();
      });
    });
    this.#phase = { kind: 'waiting', timer };
  }

  /** One listing after another; of those that are asked for meanwhile, one. */
  #listAgain(connection: McpConnection): void {
    const asked = (this.#listingsAsked += 1);
    this.#listing = this.#listing
      .then(() => (asked === this.#listingsAsked ? this.#list(connection) : undefined))
      .catch((error: unknown) => {
        const { message: reason } = ArcpError.from(error);
        this.#logger.warn({ mcp: this.#options.name, reason }, 'the tools of an MCP server cannot be listed');
      });
  }

  /** (M1) */
  async #list(connection: McpConnection): Promise<void> {
    const { name, host } = this.#options;
    const { version } = connection;
    const tools = await connection.tools();
    if (this.#isClosed) return;
    const listed = new Map(tools.map((tool) => [tool.name, JSON.stringify([version, tool])]));
    for (const [tool, { made, agent }] of this.#hosted) {
      if (listed.get(tool) === made) continue;
      host.unregister(agent);
      this.#hosted.delete(tool);
    }
    for (const tool of tools) {
      if (this.#hosted.has(tool.name)) continue;
      try {
        const agent = this.#agentOf(tool, version);
        host.register(agent);
        this.#hosted.set(tool.name, { made: listed.get(tool.name) ?? '', agent });
      } catch (error) {
        const { message: reason } = ArcpError.from(error);
        this.#logger.warn({ mcp: name, tool: tool.name, reason }, 'a tool is not hosted');
      }
    }
  }

  #agentOf(tool: Tool, version: string): Agent {
    if (tool.execution?.taskSupport === 'required')
      throw new ArcpError('UNIMPLEMENTED', 'it can only be called as a task');
    const server = { name: this.#options.name, version };
    return toolAgent(server, tool, (call) => this.#call(call), this.#limits);
  }

  async #call(call: ToolCall): Promise<CallToolResult> {
    const { name } = this.#options;
    if (this.#phase.kind !== 'serving')
      throw new ArcpError('UNAVAILABLE', `MCP server ${name} is being started again: try again`);
    if (this.#calls >= this.#limits.maxCallsInFlight)
      throw new ArcpError('RESOURCE_EXHAUSTED', `${this.#calls} calls of MCP server ${name} are under way`);
    const { connection } = this.#phase;
    this.#calls += 1;
    try {
      return await connection.call(call);
    } catch (error) {
      if (call.signal.aborted || this.#isServing(connection)) throw error;
      throw new ArcpError('UNAVAILABLE', await this.#endOf(connection), { cause: error });
    } finally {
      this.#calls -= 1;
    }
  }

  #isServing(connection: McpConnection): boolean {
    return this.#phase.kind === 'serving' && this.#phase.connection === connection;
  }

  async #endOf(connection: McpConnection): Promise<string> {
    const words = await connection.lastWords();
    return `MCP server ${this.#options.name} ended${words === '' ? '' : `; it printed last: ${words}`}`;
  }
}
