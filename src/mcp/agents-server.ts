/**
 * An MCP server whose tools are the agents of a runtime, for one MCP client.
 *
 * (T1) A tool call is a job of the runtime. When the call is cancelled, or the conversation ends, so is the job.
 * (T2) A job that fails, and a runtime that cannot be reached, are answers with `isError`, a code and a message; a tool
 *      that there is not is an error of the protocol.
 * (T3) The client comes back to the runtime by itself. Where it gave up, the next call tries anew: the conversation
 *      outlives a runtime that was away.
 * (T4) Tools come and go with the agents, and the MCP client is told. A runtime that does not tell of its agents may have one
 *      that is no listed tool yet, but can be called.
 */
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  CallToolRequestSchema,
  ErrorCode as RpcCode,
  ListToolsRequestSchema,
  McpError,
  type CallToolResult,
  type ListToolsResult,
  type Progress,
  type Tool,
} from '@modelcontextprotocol/sdk/types.js';
import type { Client } from '../client/index.js';
import { isAgentName } from '../protocol/agent-ref.js';
import { ArcpError } from '../protocol/errors.js';
import type { InventoryEntry } from '../protocol/inventory.js';
import { silentLogger, type Logger } from '../runtime/logger.js';
import { VERSION } from '../version.js';
import { callJob, errorOf, failed } from './job-call.js';
import { DEFAULT_MCP_LIMITS, type McpLimits } from './limits.js';
import { agentsByTool } from './names.js';

export interface AgentsServerOptions {
  /** Opens a session with the runtime: for the first call, and again after a client that gave up. */
  readonly connect: (signal: AbortSignal) => Promise<Client>;
  readonly logger?: Logger;
  readonly limits?: Partial<McpLimits>;
}

interface Call {
  readonly tool: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
  readonly onProgress: ((progress: Progress) => Promise<void>) | undefined;
}

export class AgentsServer {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- `McpServer` wants a zod schema for each tool
  readonly #server = new Server(
    { name: 'arcp-runtime', version: VERSION },
    { capabilities: { tools: { listChanged: true } } },
  );
  readonly #options: AgentsServerOptions;
  readonly #limits: McpLimits;
  readonly #logger: Logger;
  readonly #closing = new AbortController();
  #client: Promise<Client> | undefined;
  #calls = 0;

  constructor(options: AgentsServerOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_MCP_LIMITS, ...options.limits };
    this.#logger = options.logger ?? silentLogger;
    const server = this.#server;
    server.onerror = ({ message }) => {
      this.#logger.warn({ reason: message }, 'the MCP client said what makes no sense');
    };
    server.setRequestHandler(ListToolsRequestSchema, ({ params }) => this.#list(params?.cursor));
    server.setRequestHandler(CallToolRequestSchema, ({ params }, { signal, _meta, sendNotification }) => {
      const token = _meta?.progressToken;
      const onProgress: Call['onProgress'] =
        token === undefined
          ? undefined
          : (progress) =>
              sendNotification({
                method: 'notifications/progress',
                params: { progressToken: token, ...progress },
              });
      return this.#call({ tool: params.name, args: params.arguments ?? {}, signal, onProgress });
    });
  }

  /** Serves one MCP client until it leaves or `close` is called. Rejects at once when there is no session to be had. */
  async serve(transport: Transport): Promise<void> {
    await this.#reach();
    const left = new Promise<void>((resolve) => {
      this.#server.onclose = resolve;
    });
    await this.#server.connect(transport);
    if (this.#closing.signal.aborted) await this.#server.close();
    await left;
    this.#closing.abort(new ArcpError('CANCELLED', 'the MCP client left'));
    const client = await this.#client?.catch(() => undefined);
    await client?.close({ reason: 'the MCP client left', cancelJobs: true });
  }

  /** Ends the conversation; `serve` resolves when its jobs are told to end. */
  async close(): Promise<void> {
    this.#closing.abort(new ArcpError('CANCELLED', 'the server was closed'));
    await this.#server.close();
  }

  async #list(cursor: string | undefined): Promise<ListToolsResult> {
    const agents = await this.#agents();
    const from = cursor === undefined ? 0 : Number(cursor);
    if (!Number.isSafeInteger(from) || from < 0) throw new McpError(RpcCode.InvalidParams, 'no such cursor');
    const entries = new Map(agents.map((entry) => [entry.name, entry]));
    const names = [...agentsByTool(entries.keys())];
    const to = from + this.#limits.maxTools;
    const tools = names.slice(from, to).map(([tool, agent]) => toolOf(tool, agent, entries.get(agent)));
    return { tools, ...(to < names.length ? { nextCursor: String(to) } : {}) };
  }

  async #agents(): Promise<readonly InventoryEntry[]> {
    try {
      return (await this.#reach()).agents();
    } catch (error) {
      const { code, message } = errorOf(error);
      throw new McpError(RpcCode.InternalError, `${code}: ${message}`);
    }
  }

  async #call({ tool, args, signal, onProgress }: Call): Promise<CallToolResult> {
    const { maxCallsInFlight } = this.#limits;
    if (this.#calls >= maxCallsInFlight)
      return failed(new ArcpError('RESOURCE_EXHAUSTED', `there are ${maxCallsInFlight} calls already`));
    this.#calls += 1;
    let listed: string | undefined;
    try {
      const client = await this.#reach();
      listed = agentsByTool(client.agents().map(({ name }) => name)).get(tool);
      if (listed === undefined && !isAgentName(tool)) throw noTool(tool);
      const agent = listed ?? tool; // (T4)
      return await callJob(client, {
        agent,
        args,
        signal,
        onProgress,
        limits: this.#limits,
        logger: this.#logger,
      });
    } catch (error) {
      if (error instanceof McpError) throw error;
      if (listed === undefined && errorOf(error).code === 'AGENT_NOT_AVAILABLE') throw noTool(tool);
      return failed(error); // (T2)
    } finally {
      this.#calls -= 1;
    }
  }

  /** (T3) */
  #reach(): Promise<Client> {
    return (this.#client ??= this.#connect());
  }

  async #connect(): Promise<Client> {
    try {
      const client = await this.#options.connect(this.#closing.signal);
      client.on('connection', (change) => {
        if (change.state === 'waiting')
          this.#logger.warn({ code: change.error.code }, 'the connection to the runtime was lost');
        else if (change.state === 'closed') this.#client = undefined;
      });
      client.on('agents', () => {
        this.#tellTools();
      });
      this.#tellTools();
      return client;
    } catch (error) {
      this.#client = undefined;
      throw error;
    }
  }

  /** (T4) */
  #tellTools(): void {
    if (this.#server.transport === undefined) return;
    this.#server.sendToolListChanged().catch(() => undefined); // nobody is there any more
  }
}

function toolOf(tool: string, agent: string, entry: InventoryEntry | undefined): Tool {
  const versions = entry?.versions ?? [];
  const chosen = entry?.default ?? (versions.length === 1 ? versions[0] : undefined);
  return {
    name: tool,
    description: `Runs agent ${agent}${chosen === undefined ? '' : `@${chosen}`} as a job of an ARCP runtime.`,
    // What an agent takes is not advertised: the runtime checks it, and says what is wrong.
    inputSchema: { type: 'object' },
  };
}

function noTool(tool: string): McpError {
  return new McpError(RpcCode.InvalidParams, `there is no tool ${JSON.stringify(tool.slice(0, 128))}`);
}
