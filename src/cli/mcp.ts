/** `arcp mcp`: the agents of a runtime as the tools of an MCP server, on stdin and stdout. */
import { Option, type Command } from 'commander';
import { connectTo, withConnectionOptions, type ConnectionOptions } from './connection.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { Interruption } from './interruption.js';
import { createLogger, LOG_LEVELS, type LogLevelName } from './logging.js';

interface McpOptions extends ConnectionOptions {
  readonly logLevel: LogLevelName;
}

export function addMcp(program: Command, exit: (code: ExitCode) => void): void {
  const command = program
    .command('mcp')
    .description('be an MCP server (stdio) whose tools are the agents that a runtime hosts')
    .addOption(
      new Option('--log-level <level>', 'how much goes to stderr').choices(LOG_LEVELS).default('warn'),
    );
  withConnectionOptions(command).action(async (options: McpOptions) => {
    exit(await serveAgents(options));
  });
}

async function serveAgents(options: McpOptions): Promise<ExitCode> {
  const [{ StdioServerTransport }, { AgentsServer, DEFAULT_MCP_LIMITS }] = await Promise.all([
    import('@modelcontextprotocol/sdk/server/stdio.js'),
    import('../mcp/index.js'),
  ]);
  const { signal } = new Interruption();
  const server = new AgentsServer({
    connect: (closing) => connectTo(options, { signal: AbortSignal.any([signal, closing]) }),
    logger: createLogger(options.logLevel, process.stderr.isTTY, (process.env['NO_COLOR'] ?? '') === ''),
  });
  const leave = (): void => void server.close();
  signal.addEventListener('abort', leave, { once: true });
  process.stdin.once('end', leave);
  process.stdin.once('close', leave);
  const { maxMessageBytes: maxBufferSize } = DEFAULT_MCP_LIMITS;
  await server.serve(new StdioServerTransport(process.stdin, process.stdout, { maxBufferSize }));
  return EXIT.completed;
}
