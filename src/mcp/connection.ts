/**
 * One life of an MCP server: its process, and the conversation with it over stdio, from its start to its end.
 *
 * (P1) The process has of this one's environment only what the SDK passes on (`PATH`, `HOME`, `USER`, …) and the
 *      variables that it was given by name. Their values are not told in what it prints.
 * (P2) What it says on stderr goes to the log line by line, and the last of it is kept for whoever asks why it ended.
 */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import {
  CallToolResultSchema,
  ListToolsResultSchema,
  ToolListChangedNotificationSchema,
  type CallToolResult,
  type Tool,
} from '@modelcontextprotocol/sdk/types.js';
import { ArcpError } from '../protocol/errors.js';
import type { Logger } from '../runtime/logger.js';
import { VERSION } from '../version.js';
import type { McpLimits } from './limits.js';
import type { ToolCall } from './tool-agent.js';

export interface McpCommand {
  /** What its agents' names begin with. */
  readonly name: string;
  readonly command: string;
  readonly args?: readonly string[] | undefined;
  /** Names of environment variables that it gets, beside `PATH`, `HOME` and their like. */
  readonly env?: readonly string[] | undefined;
  readonly cwd?: string | undefined;
}

/** Values that are shorter are no secrets, and are found in everything. */
const MIN_SECRET = 6;
const MAX_PAGES = 100;

export class McpConnection {
  readonly #client: Client;
  readonly #name: string;
  readonly #secrets: readonly string[];
  readonly #limits: McpLimits;
  readonly #logger: Logger;
  #lastWords = '';
  #rest = '';

  private constructor({ name, env = [] }: McpCommand, limits: McpLimits, logger: Logger) {
    this.#name = name;
    this.#limits = limits;
    this.#logger = logger;
    this.#secrets = env.map((one) => process.env[one] ?? '').filter(({ length }) => length >= MIN_SECRET);
    this.#client = new Client({ name: 'arcp-runtime', version: VERSION }, { capabilities: {} });
  }

  /** Starts the process, and resolves when it has introduced itself. Rejects when it does not within its time. */
  static async open(
    command: McpCommand,
    limits: McpLimits,
    logger: Logger,
    events: { readonly ended: () => void; readonly toolsChanged: () => void },
  ): Promise<McpConnection> {
    const connection = new McpConnection(command, limits, logger);
    const { env = [], args = [], cwd } = command;
    const given = env.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value] as const];
    });
    const transport = new StdioClientTransport({
      command: command.command,
      args: [...args],
      env: Object.fromEntries(given),
      stderr: 'pipe',
      maxBufferSize: limits.maxMessageBytes,
      ...(cwd === undefined ? {} : { cwd }),
    });
    transport.stderr?.on('data', (bytes: Buffer) => {
      connection.#heard(bytes.toString('utf8'));
    });
    const client = connection.#client;
    client.onerror = (error) => {
      logger.warn({ mcp: command.name, reason: error.message }, 'an MCP server said what makes no sense');
    };
    client.setNotificationHandler(ToolListChangedNotificationSchema, events.toolsChanged);
    try {
      await client.connect(transport, { timeout: limits.startTimeoutMs });
    } catch (error) {
      const words = await connection.lastWords();
      const reason = error instanceof Error ? error.message : String(error);
      throw new ArcpError('UNAVAILABLE', words === '' ? reason : `${reason}; it printed last: ${words}`, {
        cause: error,
      });
    }
    client.onclose = events.ended;
    return connection;
  }

  /** What it says of its version. */
  get version(): string {
    return this.#client.getServerVersion()?.version ?? '';
  }

  /** What it printed last on stderr (P2). */
  async lastWords(): Promise<string> {
    // What it printed before it ended may be a turn behind its end.
    await new Promise((resolve) => setImmediate(resolve));
    return `${this.#lastWords}${this.#hidden(this.#rest)}`.slice(-this.#limits.lastWordsBytes).trim();
  }

  /** Its tools, page by page. */
  async tools(): Promise<Tool[]> {
    const { maxTools, startTimeoutMs: timeout } = this.#limits;
    const tools: Tool[] = [];
    if (this.#client.getServerCapabilities()?.tools === undefined) return tools;
    let cursor: string | undefined;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const params = cursor === undefined ? {} : { cursor };
      const listed = await this.#client.request({ method: 'tools/list', params }, ListToolsResultSchema, {
        timeout,
      });
      tools.push(...listed.tools);
      cursor = listed.nextCursor;
      if (cursor === undefined || tools.length >= maxTools) break;
    }
    if (tools.length > maxTools || cursor !== undefined)
      this.#logger.warn({ mcp: this.#name, limit: maxTools }, 'not all tools of an MCP server are hosted');
    return tools.slice(0, maxTools);
  }

  call({ tool, args, signal, onProgress }: ToolCall): Promise<CallToolResult> {
    return this.#client.request(
      { method: 'tools/call', params: { name: tool, arguments: args } },
      CallToolResultSchema,
      {
        signal,
        onprogress: onProgress,
        timeout: this.#limits.maxCallMs,
        resetTimeoutOnProgress: true,
      },
    );
  }

  /** Its stdin is closed; what does not end of itself is terminated, and killed in the end. */
  close(): Promise<void> {
    return this.#client.close();
  }

  #heard(text: string): void {
    const lines = `${this.#rest}${text}`.split('\n');
    this.#rest = (lines.pop() ?? '').slice(-this.#limits.lastWordsBytes);
    for (const line of lines) {
      const shown = this.#hidden(line);
      this.#lastWords = `${this.#lastWords}${shown}\n`.slice(-this.#limits.lastWordsBytes);
      if (shown.trim() !== '') this.#logger.info({ mcp: this.#name, text: shown }, 'an MCP server says');
    }
  }

  /** (P1) */
  #hidden(text: string): string {
    return this.#secrets.reduce((shown, secret) => shown.replaceAll(secret, '[hidden]'), text);
  }
}
