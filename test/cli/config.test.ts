/** Config files: what they say, what is wrong with them, and `arcp config` and `arcp serve` that read them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkConfig } from '../../src/cli/config/check.js';
import { findConfig, loadConfig } from '../../src/cli/config/load.js';
import { mergeSettings, settingsOf } from '../../src/cli/config/settings.js';
import { connect } from '../../src/client/index.js';
import { accessOf } from '../../src/cli/serving/access.js';
import { keepSchedules } from '../../src/cli/serving/schedules.js';
import { DEFAULT_SETTINGS } from '../../src/cli/serving/settings.js';
import { createRuntime, sqliteStore } from '../../src/index.js';
import { memoryPair } from '../../src/transport/memory.js';
import type { Transport } from '../../src/transport/transport.js';
import { LIMITS } from '../../src/runtime/limits.js';
import { arcp, jsonLines, serve, type Arcp, type Serving } from './arcp.js';

let folder: string;
const started: Arcp[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'arcp-config-'));
});

afterEach(async () => {
  for (const one of started.splice(0)) {
    one.signal('SIGKILL');
    await one.ended();
  }
  rmSync(folder, { recursive: true });
});

function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content, null, 1));
  return path;
}

function problemsOf(value: unknown): string[] {
  return checkConfig({ value, root: undefined, folder }, {}).problems.map(
    ({ severity, path, message }) => `${severity}: ${path}: ${message}`,
  );
}

async function serving(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Serving> {
  const server = await serve(args, env);
  started.push(server.arcp);
  return server;
}

const AGENTS = fileURLToPath(new URL('../../examples/agents/index.mjs', import.meta.url));

describe('a config file', () => {
  it('says everything that the command line can, with paths from its own folder', async () => {
    file('agents.mjs', 'export default [];');
    file('tokens', 'abc=ada');
    const path = file('arcp.config.json', {
      $schema: 'https://example.com/schema.json',
      host: '::1',
      port: 0,
      agents: [
        { module: 'agents.mjs' },
        { mcp: 'docs', command: ['npx', 'docs'], env: ['DOCS_KEY'] },
        { process: 'wc@1.0.0', command: ['wc'], trusted: true },
      ],
      process: { pool: 2, reads: ['shared'], env: ['DOCS_KEY'] },
      conformance: true,
      store: 'sqlite',
      data: 'data',
      durability: 'normal',
      tokens: [{ env: 'ARCP_TOKEN_ADA', principal: 'ada' }, { file: 'tokens' }],
      anonymous: true,
      trust: { ada: 'privileged', anonymous: 'untrusted' },
      hosts: ['ada'],
      limits: { maxFrameBytes: '2MiB', helloTimeoutMs: '1.5s', maxNesting: 20, ackWindow: 0 },
      handoffs: [{ name: 'east', url: 'wss://east.example', fingerprint: `sha256:${'0'.repeat(64)}` }],
      origins: ['https://app.example'],
      credentials: { gateway: 'https://keys.example', env: 'GATEWAY_KEY' },
      schedules: [
        { name: 'nightly', principal: 'ada', agent: 'echo@1.0.0', every: 'FREQ=DAILY', budget: ['USD:1'] },
      ],
      drain: '5s',
      log: 'debug',
    });
    const { config, problems } = await loadConfig(path, {
      ARCP_TOKEN_ADA: 'x',
      GATEWAY_KEY: 'y',
      DOCS_KEY: 'z',
    });
    expect(problems).toEqual([]);
    expect(config && settingsOf(config, folder)).toEqual({
      host: '::1',
      port: 0,
      agents: [join(folder, 'agents.mjs')],
      processes: [{ name: 'wc', version: '1.0.0', command: ['wc'] }],
      trustedProcesses: ['wc@1.0.0'],
      pool: 2,
      processReads: [join(folder, 'shared')],
      processEnv: ['DOCS_KEY'],
      mcp: [{ name: 'docs', command: 'npx', args: ['docs'], env: ['DOCS_KEY'], cwd: folder }],
      conformance: true,
      store: 'sqlite',
      data: join(folder, 'data'),
      durability: 'normal',
      envTokens: [{ env: 'ARCP_TOKEN_ADA', principal: 'ada' }],
      tokenFiles: [join(folder, 'tokens')],
      anonymous: true,
      trust: [
        ['ada', 'privileged'],
        ['anonymous', 'untrusted'],
      ],
      hosts: ['ada'],
      limits: { maxFrameBytes: 2_097_152, helloTimeoutMs: 1_500, maxNesting: 20, ackWindow: 0 },
      handoffs: [{ name: 'east', url: 'wss://east.example', fingerprint: `sha256:${'0'.repeat(64)}` }],
      origins: ['https://app.example'],
      gateway: { url: 'https://keys.example', keyEnv: 'GATEWAY_KEY' },
      schedules: [
        { name: 'nightly', principal: 'ada', agent: 'echo@1.0.0', every: 'FREQ=DAILY', budget: ['USD:1'] },
      ],
      drain: 5_000,
      logLevel: 'debug',
    });
  });

  it('is one of three in a folder, and two are one too many', () => {
    expect(findConfig(folder)).toBeUndefined();
    const json = file('arcp.config.json', {});
    expect(findConfig(folder)).toBe(json);
    file('arcp.config.mjs', 'export default {};');
    expect(() => findConfig(folder)).toThrow(/there are .*json and .*mjs/);
  });

  it('can be a module', async () => {
    const path = file('arcp.config.mjs', 'export default Promise.resolve({ port: 1 + 2 });');
    expect((await loadConfig(path, {})).config).toEqual({ port: 3 });
  });

  it('gives way to the command line, and what both list is taken together', () => {
    const merged = mergeSettings(
      DEFAULT_SETTINGS,
      { port: 1, host: '::1', agents: ['a'], trust: [['ada', 'trusted']] },
      { port: 2, agents: ['b'], trust: [['ada', 'untrusted']], tokens: [] },
    );
    expect(merged).toMatchObject({ port: 2, host: '::1', agents: ['a', 'b'], drain: 30_000 });
    expect(new Map(merged.trust).get('ada')).toBe('untrusted');
  });

  it('takes each limit in its own unit, and 0 only where that means none', () => {
    for (const [name, { default: value, unit }] of Object.entries(LIMITS)) {
      expect(problemsOf({ limits: { [name]: value } })).toEqual([]);
      for (const [text, of] of [
        ['10s', 'ms'],
        ['10KiB', 'bytes'],
      ] as const) {
        expect(problemsOf({ limits: { [name]: text } }).length, `${name}: ${text}`).toBe(unit === of ? 0 : 1);
      }
      expect(problemsOf({ limits: { [name]: 0 } }).length, name).toBe(value === 0 ? 0 : 1);
      for (const wrong of [-1, 1.5, Number.NaN, Infinity, null, '']) {
        expect(problemsOf({ limits: { [name]: wrong } }).length, `${name}: ${wrong}`).toBe(1);
      }
    }
  });
});

describe('mistakes', () => {
  it.each<[unknown, string]>([
    [{ prot: 1 }, 'error: prot: unknown key, did you mean "port"?'],
    [{ port: 70_000 }, 'error: port: expected a port from 0 to 65535; 0 picks a free one'],
    [{ agents: [{ modul: 'a' }] }, 'error: agents[0].modul: unknown key, did you mean "module"?'],
    [{ agents: [{ module: 'no.mjs' }] }, 'error: agents[0].module: there is no such module'],
    [{ agents: [{ module: 'a.ts' }] }, 'error: agents[0].module: expected a .js or .mjs module'],
    [{ agents: ['a.mjs'] }, 'error: agents[0]: expected an object such as {"module": "agents.mjs"}'],
    [{ agents: [{ mcp: 'docs' }] }, 'error: agents[0]: expected a command'],
    [{ agents: [{ mcp: 'a.b', command: ['x'] }] }, 'error: agents[0].mcp: expected 1 to 64 of a-z 0-9 _ -'],
    [
      { agents: [{ mcp: 'a', command: ['x'], env: ['sk-abcdefghijklmnop1234'] }] },
      'error: agents[0].env[0]: expected the name of an environment variable in capitals, such as ARCP_TOKEN_ADA, and not a secret itself',
    ],
    [
      { agents: [{ module: 'a.mjs', mcp: 'b' }] },
      'error: agents[0]: expected one of module, mcp and process',
    ],
    [{ agents: 'a.mjs' }, 'error: agents: expected a list such as [{"module": "agents.mjs"}]'],
    [
      { limits: { maxFramBytes: 1 } },
      'error: limits.maxFramBytes: unknown key, did you mean "maxFrameBytes"?',
    ],
    [
      { trust: { ada: 'god' } },
      'error: trust.ada: expected one of untrusted, constrained, trusted, privileged',
    ],
    [{ tokens: [{ env: 'A' }] }, 'error: tokens[0]: expected a principal for whom env stands'],
    [{ tokens: [{}] }, 'error: tokens[0]: expected either env or file'],
    [{ tokens: [{ file: 'nowhere' }] }, 'error: tokens[0].file: there is no such file'],
    [{ tokens: [{ env: 'A', principal: 'ada' }] }, 'warning: tokens[0].env: A is not set here'],
    [
      { origins: ['https://a.example/x'] },
      'error: origins[0]: expected an origin such as https://app.example, without a path',
    ],
    [
      { store: 'memory', data: 'x' },
      'warning: store: memory keeps nothing: data and durability mean nothing',
    ],
    [
      { handoffs: [{ name: 'east', url: 'wss://east.example', fingerprint: 'x' }] },
      'error: handoffs[0]: expected a name of a-z 0-9 _ - and a fingerprint, sha256:…',
    ],
    [{ drain: 'soon' }, 'error: drain: expected a duration such as "30s", or milliseconds'],
    [
      { schedules: [{ name: 'n', principal: 'a', agent: 'echo', every: 'FREQ=SOMETIMES' }] },
      'error: schedules[0].every: when.every: FREQ cannot be "SOMETIMES"',
    ],
    [
      { schedules: [{ name: 'n', principal: 'a', agent: 'Echo', every: 'FREQ=DAILY' }] },
      'error: schedules[0].agent: invalid agent name "Echo"',
    ],
    [
      { schedules: [{ name: 'n', principal: 'a', agent: 'echo', every: 'FREQ=DAILY', budget: ['much'] }] },
      'error: schedules[0].budget: expected a list such as ["USD:1.00"], each currency once',
    ],
    [[], 'error: : expected an object'],
  ])('of %j: %s', (value, expected) => {
    expect(problemsOf(value)).toContain(expected);
  });

  it('that are a secret are refused, wherever they stand, and never repeated', () => {
    const secrets = [
      'sk-abcdefghijklmnop1234',
      'ghp_abcdefghijklmnop1234',
      'A1B2C3D4E5F6G7H8I9J0',
      'hunter2=ada',
    ];
    for (const secret of secrets) {
      const found = problemsOf({ tokens: [{ env: secret, principal: 'ada' }] });
      expect(
        found.some((one) => one.startsWith('error: tokens[0].env')),
        secret,
      ).toBe(true);
      expect(found.join()).not.toContain(secret);
    }
    for (const key of ['token', 'secret', 'apiKey', 'master_key']) {
      const found = problemsOf({ tokens: [{ [key]: 'hunter2', principal: 'ada' }] });
      expect(found.join()).toContain(`tokens[0].${key}: unknown key: a secret does not belong in this file`);
      expect(found.join()).not.toContain('hunter2');
    }
    const url = problemsOf({ credentials: { gateway: 'https://u:hunter2@a.example' } });
    expect(url).toEqual(['error: credentials.gateway: a URL carries no secrets here']);
    const deep = {
      name: 'n',
      principal: 'a',
      agent: 'echo',
      every: 'FREQ=DAILY',
      arguments: { k: [secrets[0]] },
    };
    expect(problemsOf({ schedules: [deep] }).join()).toMatch(
      /schedules\[0\]\.arguments\.k\[0\]: this looks like/,
    );
  });

  it('never keep a check from ending, whatever the value', () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 4 }),
        fc.constantFrom('agents', 'limits', 'tokens', 'x'),
        (value, key) => {
          for (const one of [value, { [key]: value }]) {
            const { config, problems } = checkConfig({ value: one, root: undefined, folder }, {});
            expect(config === undefined).toBe(problems.some(({ severity }) => severity === 'error'));
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('arcp config', () => {
  it('check shows each mistake with its place, and fails; --json tells programs the same', async () => {
    const path = file('arcp.config.json', '{\n  "prot": 1,\n  "agents": [\n    { "module": 3 }\n  ]\n}');
    const shown = await arcp(['config', 'check', path]);
    expect(shown).toEqual({
      code: 1,
      stderr: '',
      stdout:
        `${path}:2:3: error: prot: unknown key, did you mean "port"?\n` +
        `${path}:4:17: error: agents[0].module: expected text\n` +
        `${path}: 2 errors, 0 warnings\n`,
    });
    const { code, stdout } = await arcp(['config', 'check', path, '--json']);
    expect(code).toBe(1);
    expect(jsonLines(stdout)).toMatchObject([
      { file: path, line: 2, column: 3, severity: 'error', path: 'prot' },
      { line: 4, column: 17, path: 'agents[0].module' },
      { ok: false, file: path, errors: 2, warnings: 0 },
    ]);
  });

  it('check passes what is right, and says what it cannot read', async () => {
    const good = file('good.json', { port: 0 });
    expect(await arcp(['config', 'check', good])).toMatchObject({ code: 0 });
    expect(await arcp(['config', 'check', join(folder, 'no.json')])).toMatchObject({ code: 2 });
    const broken = await arcp(['config', 'check', file('broken.json', '{"a":}')]);
    expect(broken.code).toBe(1);
    expect(broken.stdout).toContain('broken.json:1:6: error: ');
  });

  it('show prints what it comes to', async () => {
    const path = file('good.json', {
      port: 0,
      limits: { maxFrameBytes: '2MiB' },
      tokens: [{ env: 'MINE', principal: 'a' }],
    });
    const { code, stdout } = await arcp(['config', 'show', path], { MINE: 'hunter2' });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      port: 0,
      host: '127.0.0.1',
      envTokens: [{ env: 'MINE', principal: 'a' }],
      limits: { maxFrameBytes: 2_097_152, maxNesting: 128 },
    });
    expect(stdout).not.toContain('hunter2');
  });
});

describe('arcp serve', () => {
  const TOKENS = { tokens: [{ env: 'ARCP_TOKEN_ADA', principal: 'ada' }] };
  const ENV = { ARCP_TOKEN_ADA: 'ada-secret' };

  it('takes agents, tokens and limits from its file, and the port from its command line', async () => {
    const path = file('arcp.config.json', {
      ...TOKENS,
      port: 1,
      agents: [{ module: AGENTS }],
      limits: { maxFrameBytes: '2KiB' },
    });
    const { url } = await serving(['--config', path], ENV);
    const listed = await arcp(['agents', '--url', url], { ARCP_TOKEN: 'ada-secret' });
    expect(listed.stdout).toContain('repo-report');
    const large = ['invoke', 'code-stats', '--arg', `path=${'x'.repeat(3_000)}`, '--url', url];
    expect((await arcp(large, { ARCP_TOKEN: 'ada-secret' })).code).not.toBe(0);
  });

  it('hosts the tools of MCP servers, of its file and of its command line', async () => {
    const fixture = fileURLToPath(new URL('../mcp/fixtures/server.mjs', import.meta.url));
    const agents = [{ mcp: 'one', command: [process.execPath, fixture] }];
    const path = file('arcp.config.json', { ...TOKENS, agents });
    const two = `two=${process.execPath} ${fixture}`;
    const { url } = await serving(['--config', path, '--mcp', two], ENV);
    const { stdout } = await arcp(['agents', '--url', url], { ARCP_TOKEN: 'ada-secret' });
    expect(stdout).toMatch(/^one\.check +1\.2\.3$/m);
    expect(stdout).toMatch(/^two\.check +1\.2\.3$/m);
  });

  it('does not start when an MCP server does not', async () => {
    const dead = `dead=${process.execPath} -e "console.error('no key');process.exit(1)"`;
    const { code, stderr, stdout } = await arcp(['serve', '--port', '0', '--mcp', dead]);
    expect(stderr).toMatch(/MCP server dead does not start: .*printed last: no key\n +next: try it alone/);
    expect([code, stdout]).toEqual([1, '']);
  });

  it('does not start with a file that has mistakes, and tells them', async () => {
    const path = file('arcp.config.json', { prot: 1 });
    const { code, stderr, stdout } = await arcp(['serve', '--port', '0', '--config', path]);
    expect(stderr).toContain(`${path}:2:2: error: prot: unknown key, did you mean "port"?`);
    expect(stderr).toContain(`next: \`arcp config check ${path}\``);
    expect([code, stdout]).toEqual([2, '']);
  });

  it('does not start without a token that its file names', async () => {
    const path = file('arcp.config.json', TOKENS);
    const { code, stderr } = await arcp(['serve', '--port', '0', '--config', path]);
    expect(stderr).toContain('the token of ada is not in ARCP_TOKEN_ADA');
    expect(code).toBe(2);
  });
});

describe('the schedules of a config file', () => {
  it('are there once over restarts, and those that are gone from it end', async () => {
    const schedule = (name: string, agent: string) => ({
      name,
      principal: 'ada',
      agent,
      every: 'FREQ=DAILY',
    });
    const lives: string[][] = [];
    for (const schedules of [
      [schedule('a', 'echo'), schedule('b', 'echo')],
      [schedule('a', 'echo'), schedule('b', 'echo')],
      [schedule('b', 'sleep'), schedule('c', 'echo')],
    ]) {
      const settings = { ...DEFAULT_SETTINGS, schedules, tokens: [{ secret: 's', principal: 'ada' }] };
      const access = accessOf(settings, {});
      const store = sqliteStore({ folder: join(folder, 'data') });
      const runtime = createRuntime({ store, authenticators: access.authenticators });
      await keepSchedules(runtime, settings, access);
      const dial = (): Promise<Transport> => {
        const [here, there] = memoryPair();
        runtime.accept(there);
        return Promise.resolve(here);
      };
      const client = await connect('memory:', { token: 's', dial });
      // A schedule of a client's own is left alone.
      await client.schedule('echo', {}, { every: 'FREQ=WEEKLY' }, { idempotencyKey: 'mine' });
      const active: string[] = [];
      for await (const { schedule_id, status, agent } of client.schedules()) {
        if (status === 'active') active.push(`${schedule_id} ${agent}`);
      }
      lives.push(active.sort());
      await client.close();
      await runtime.close();
    }
    const [first = [], second, third = []] = lives;
    expect(first).toHaveLength(3);
    expect(second).toEqual(first);
    expect(third.map((line) => line.split(' ')[1]).sort()).toEqual(['echo', 'echo', 'sleep']);
    expect(third.filter((line) => first.includes(line))).toHaveLength(1);
  });
});
