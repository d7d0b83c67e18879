/** The acts that the runtime makes for an agent, on real files, real sockets and real programs (L4). */
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ArcpError, defineAgent, type JobContext } from '../../src/index.js';
import type { WorkerProfile, WorkerRole } from '../../src/protocol/worker-profile.js';
import { bench } from './bench.js';

let folder = '';
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'arcp-acts-')));
  mkdirSync(join(folder, 'in'));
  writeFileSync(join(folder, 'in/a.txt'), 'hello');
  writeFileSync(join(folder, 'secret'), 'hidden');
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** What the act comes to, or the code that it is refused with, in a job with this lease and profile. */
async function within(
  act: (ctx: JobContext) => Promise<unknown>,
  lease?: Readonly<Record<string, readonly string[]>>,
  profile: WorkerRole | Partial<WorkerProfile> = 'general',
): Promise<unknown> {
  let result: unknown;
  const agent = defineAgent({
    name: 'it',
    version: '1.0.0',
    profile,
    run: async (_input, ctx) => {
      result = await act(ctx).catch((error: unknown) => ArcpError.from(error).code);
    },
  });
  await using test = bench({ agents: [agent] });
  const client = await test.open();
  const payload = lease && { lease_request: lease };
  await client.terminal(await client.accepted('it', {}, { payload }));
  return result;
}

const DENIED = 'PERMISSION_DENIED';
const inside = (name: string): string => join(folder, 'in', name);
const read = () => ({ 'fs.read': [`${folder}/in/**`] });
const write = () => ({ 'fs.write': [`${folder}/in/**`] });

describe('ctx.fs', () => {
  it('reads what the lease covers, wherever the path says that it goes through', async () => {
    expect(await within((ctx) => ctx.fs.readText(inside('a.txt')), read())).toBe('hello');
    expect(await within((ctx) => ctx.fs.readText(join(folder, 'x/../in/./a.txt')), read())).toBe('hello');
    symlinkSync(inside('a.txt'), join(folder, 'way'));
    expect(await within((ctx) => ctx.fs.readText(join(folder, 'way')), read())).toBe('hello');
    expect(await within((ctx) => ctx.fs.stat(inside('a.txt')), read())).toMatchObject({
      kind: 'file',
      size: 5,
    });
    expect(await within((ctx) => ctx.fs.readdir(join(folder, 'in')), read())).toEqual([
      { name: 'a.txt', kind: 'file' },
    ]);
  });

  it('follows links before it asks: out of a folder, through a folder, by ..', async () => {
    symlinkSync(join(folder, 'secret'), inside('file'));
    symlinkSync(folder, inside('up'));
    symlinkSync('loop', inside('loop'));
    for (const path of ['file', 'up/secret', '../secret', 'up/in/../secret']) {
      expect(await within((ctx) => ctx.fs.readText(`${folder}/in/${path}`), read()), path).toBe(DENIED);
      expect(await within((ctx) => ctx.fs.stat(`${folder}/in/${path}`), read()), path).toBe(DENIED);
      expect(await within((ctx) => ctx.fs.writeFile(`${folder}/in/${path}`, 'x'), write()), path).toBe(
        DENIED,
      );
    }
    expect(await within((ctx) => ctx.fs.readdir(inside('up')), read())).toBe(DENIED);
    expect(await within((ctx) => ctx.fs.mkdir(inside('up/new')), write())).toBe(DENIED);
    expect(await within((ctx) => ctx.fs.readText(inside('loop')), read())).toBe(DENIED);
    expect(readFileSync(join(folder, 'secret'), 'utf8')).toBe('hidden');
  });

  it('makes no file behind a link that leads nowhere', async () => {
    symlinkSync(join(folder, 'new'), inside('dangling'));
    expect(await within((ctx) => ctx.fs.writeFile(inside('dangling'), 'x'), write())).toBe(DENIED);
    expect(existsSync(join(folder, 'new'))).toBe(false);
  });

  it('does not say whether what the lease does not cover is there', async () => {
    for (const name of ['secret', 'none', 'none/deeper'])
      expect(await within((ctx) => ctx.fs.stat(join(folder, name)), read())).toBe(DENIED);
    expect(await within((ctx) => ctx.fs.stat(inside('none')), read())).toBe('NOT_FOUND');
  });

  it('replaces, appends, and refuses to replace where it is told', async () => {
    const path = inside('b.txt');
    const text = () => readFileSync(path, 'utf8');
    await within((ctx) => ctx.fs.writeFile(path, 'a long text'), write());
    await within((ctx) => ctx.fs.writeFile(path, 'short'), write());
    expect(text()).toBe('short');
    await within((ctx) => ctx.fs.writeFile(path, new Uint8Array([33]), { append: true }), write());
    expect(text()).toBe('short!');
    const exclusive = (ctx: JobContext) => ctx.fs.writeFile(path, 'x', { exclusive: true });
    expect(await within(exclusive, write())).toBe('ALREADY_EXISTS');
    expect(text()).toBe('short!');
  });

  it('makes and removes trees only where each part of them is covered', async () => {
    await within((ctx) => ctx.fs.mkdir(inside('x/y/z'), { recursive: true }), write());
    expect(existsSync(inside('x/y/z'))).toBe(true);
    const deep = { 'fs.write': [`${folder}/in/q/r/**`] };
    expect(await within((ctx) => ctx.fs.mkdir(inside('q/r'), { recursive: true }), deep)).toBe(DENIED);
    expect(existsSync(inside('q'))).toBe(false);
    const shallow = { 'fs.write': [`${folder}/in/*`, `${folder}/in/x/y`] };
    const remove = (ctx: JobContext) => ctx.fs.rm(inside('x'), { recursive: true });
    expect(await within(remove, shallow)).toBe(DENIED);
    expect(existsSync(inside('x/y/z'))).toBe(true);
    expect(await within((ctx) => ctx.fs.rm(inside('x')), write())).toBe('FAILED_PRECONDITION');
    await within(remove, write());
    expect(existsSync(inside('x'))).toBe(false);
  });

  it('removes a link and not what it leads to', async () => {
    symlinkSync(folder, inside('up'));
    symlinkSync(inside('a.txt'), join(folder, 'way'));
    await within((ctx) => ctx.fs.rm(inside('up'), { recursive: true }), write());
    expect(existsSync(inside('up'))).toBe(false);
    expect(existsSync(join(folder, 'secret'))).toBe(true);
    expect(await within((ctx) => ctx.fs.rm(join(folder, 'way')), write())).toBe(DENIED);
    expect(existsSync(join(folder, 'way'))).toBe(true);
  });

  it('is gated by the profile: what may not write does not', async () => {
    expect(await within((ctx) => ctx.fs.writeFile(inside('b'), 'x'), write(), 'explore')).toBe(DENIED);
    expect(await within((ctx) => ctx.fs.rm(inside('a.txt')), write(), 'verifier')).toBe(DENIED);
    expect(await within((ctx) => ctx.fs.readText(inside('a.txt')), read(), 'explore')).toBe('hello');
  });

  it('reads no more than it is told to, no folder and no bytes that are not UTF-8', async () => {
    const small = (ctx: JobContext) => ctx.fs.readFile(inside('a.txt'), { maxBytes: 4 });
    expect(await within(small, read())).toBe('RESOURCE_EXHAUSTED');
    expect(await within((ctx) => ctx.fs.readFile(join(folder, 'in')), read())).toBe('FAILED_PRECONDITION');
    writeFileSync(inside('bytes'), new Uint8Array([0xff, 0xfe]));
    expect(await within((ctx) => ctx.fs.readText(inside('bytes')), read())).toBe('FAILED_PRECONDITION');
    const bytes = (ctx: JobContext) => ctx.fs.readFile(inside('bytes'));
    expect(await within(bytes, read())).toEqual(Buffer.from([0xff, 0xfe]));
    expect(await within((ctx) => ctx.fs.readFile(`${folder}/in/a\0b`), read())).toBe('INVALID_ARGUMENT');
  });

  it('cannot tell a hard link from the file, as its documentation says', async () => {
    linkSync(join(folder, 'secret'), inside('hard'));
    expect(await within((ctx) => ctx.fs.readText(inside('hard')), read())).toBe('hidden');
  });

  it('ctx.authorize follows links as well', async () => {
    symlinkSync(join(folder, 'secret'), inside('file'));
    expect(await within((ctx) => ctx.authorize('fs.read', inside('file')), read())).toBe(DENIED);
    expect(await within((ctx) => ctx.authorize('fs.read', `${folder}/in/../in/a.txt`), read())).toBe(
      inside('a.txt'),
    );
  });
});

describe('ctx.fetch', () => {
  async function serving<T>(listener: RequestListener, use: (origin: string) => Promise<T>): Promise<T> {
    const server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }
  const text = async (ctx: JobContext, url: string, init?: RequestInit): Promise<string> =>
    (await ctx.fetch(url, init)).text();

  it('asks for every hop of a redirect, and follows those that are covered', async () => {
    const seen: string[] = [];
    const listener: RequestListener = ({ url = '' }, response) => {
      seen.push(url);
      if (url === '/a') response.writeHead(302, { location: '/b' }).end();
      else response.end(`at ${url}`);
    };
    await serving(listener, async (origin) => {
      expect(await within((ctx) => text(ctx, `${origin}/a`), { 'net.fetch': [`${origin}/**`] })).toBe(
        'at /b',
      );
      expect(await within((ctx) => text(ctx, `${origin}/a`), { 'net.fetch': [`${origin}/a`] })).toBe(DENIED);
    });
    expect(seen).toEqual(['/a', '/b', '/a']);
  });

  it('sends nothing where the lease or the profile does not allow it', async () => {
    let requests = 0;
    await serving(
      (_request, response) => {
        requests += 1;
        response.end('x');
      },
      async (origin) => {
        const other = { 'net.fetch': ['https://example.com/**'] };
        expect(await within((ctx) => text(ctx, origin), other)).toBe(DENIED);
        expect(await within((ctx) => text(ctx, origin), undefined, 'explore')).toBe(DENIED);
        const encoded = (ctx: JobContext) => text(ctx, `${origin}/open/..%2fsecret`);
        expect(await within(encoded, { 'net.fetch': [`${origin}/open/**`] })).toBe(DENIED);
      },
    );
    expect(requests).toBe(0);
    expect(await within((ctx) => text(ctx, 'file:///etc/passwd'))).toBe('INVALID_ARGUMENT');
  });

  it('carries no credentials to another origin, and no body behind a redirect that drops it', async () => {
    const seen: unknown[] = [];
    const other: RequestListener = ({ headers, method }, response) => {
      seen.push([method, headers.authorization, headers['content-type'], headers['x-kept']]);
      response.end('there');
    };
    await serving(other, (there) =>
      serving(
        (_request, response) => response.writeHead(302, { location: `${there}/` }).end(),
        async (here) => {
          const init = {
            method: 'POST',
            body: 'b',
            headers: { authorization: 'Bearer s', 'x-kept': 'y', 'content-type': 'text/plain' },
          };
          expect(await within((ctx) => text(ctx, here, init))).toBe('there');
        },
      ),
    );
    expect(seen).toEqual([['GET', undefined, undefined, 'y']]);
  });

  it('gives up on redirects without end', async () => {
    await serving(
      (_request, response) => response.writeHead(307, { location: '/' }).end(),
      async (origin) => {
        expect(await within((ctx) => text(ctx, origin))).toBe('FAILED_PRECONDITION');
      },
    );
  });
});

describe.skipIf(process.platform === 'win32')('ctx.shell', () => {
  const node = process.execPath;

  it('runs a program with its words as they are: no shell reads them', async () => {
    const words = ['$HOME', '`id`', '; ls', 'a b'];
    const script = 'process.stdout.write(JSON.stringify(process.argv.slice(1)))';
    const result = await within((ctx) => ctx.shell([node, '-e', script, '--', ...words]));
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
    expect(JSON.parse((result as { stdout: string }).stdout)).toEqual(words);
  });

  it('tells how the program ended, and NOT_FOUND where there is none', async () => {
    expect(await within((ctx) => ctx.shell([node, '-e', 'process.exit(3)']))).toMatchObject({ exitCode: 3 });
    expect(await within((ctx) => ctx.shell(['no-such-program-here']))).toBe('NOT_FOUND');
    expect(await within((ctx) => ctx.shell([]))).toBe('INVALID_ARGUMENT');
  });

  it('gives the program no environment but what is listed', async () => {
    process.env['ARCP_TEST_SECRET'] = 'hidden';
    try {
      const script = 'console.log(process.env.ARCP_TEST_SECRET, process.env.GIVEN, typeof process.env.PATH)';
      const result = await within((ctx) => ctx.shell([node, '-e', script], { env: { GIVEN: 'x' } }));
      expect(result).toMatchObject({ stdout: 'undefined x string\n' });
    } finally {
      delete process.env['ARCP_TEST_SECRET'];
    }
  });

  it('is refused without a shell in the profile, and under a lease that bounds what a program could do', async () => {
    const run = (ctx: JobContext) => ctx.shell([node, '-e', '1']);
    expect(await within(run, undefined, 'plan')).toBe(DENIED);
    expect(await within(run, read())).toBe(DENIED);
    expect(await within(run, { 'fs.read': ['**'], 'fs.write': ['**'] })).toBe(DENIED);
    const all = { 'fs.read': ['**'], 'fs.write': ['/**'], 'net.fetch': ['**'] };
    expect(await within(run, all)).toMatchObject({ exitCode: 0 });
    expect(await within(run, undefined, 'verifier')).toMatchObject({ exitCode: 0 });
  });

  it('read-only takes the forms of its list, and asks for each of their paths', async () => {
    const run =
      (...argv: string[]) =>
      (ctx: JobContext) =>
        ctx.shell(argv, { cwd: join(folder, 'in') });
    const told = async (...argv: string[]) => within(run(...argv), read(), 'explore');
    expect(await told('cat', 'a.txt')).toMatchObject({ stdout: 'hello', exitCode: 0 });
    expect(await told('grep', '-rn', 'hell', '.')).toMatchObject({ exitCode: 0 });
    expect(await told('find', '.', '-name', '*.txt')).toMatchObject({ stdout: './a.txt\n' });
    expect(await told('ls', '-l')).toMatchObject({ exitCode: 0 });
    expect(await told('diff', 'a.txt', 'a.txt')).toMatchObject({ exitCode: 0 });
    symlinkSync(join(folder, 'secret'), inside('link'));
    for (const argv of [
      ['cat', '../secret'],
      ['cat', 'link'],
      ['cat', '--', join(folder, 'secret')],
      ['grep', '-r', 'hid', '..'],
      ['find', '/'],
      ['diff', '.', '.'],
      ['diff', 'a.txt', 'link'],
    ])
      expect(await told(...argv), argv.join(' ')).toBe(DENIED);
  });

  it('read-only takes nothing that is not in its list', async () => {
    const refused = [
      ['sh', '-c', 'true'],
      ['/bin/cat', 'a.txt'],
      ['node', '-e', '1'],
      ['rm', 'a.txt'],
      ['find', '.', '-delete'],
      ['find', '.', '-exec', 'rm', '{}', ';'],
      ['find', '-L', '.'],
      ['grep', '-R', 'x', '.'],
      ['grep', '-f', 'a.txt', '.'],
      ['grep', '--include=x', 'x', '.'],
      ['ls', '-L'],
      ['tail', '-f', 'a.txt'],
      ['sort', '-o', 'a.txt', 'a.txt'],
      ['head', '-n'],
      ['cat', '-'],
    ];
    for (const argv of refused)
      expect(
        await within((ctx) => ctx.shell(argv, { cwd: folder }), undefined, 'explore'),
        argv.join(' '),
      ).toBe(DENIED);
    const withPath = (ctx: JobContext) => ctx.shell(['pwd'], { env: { PATH: folder } });
    expect(await within(withPath, undefined, 'explore')).toBe(DENIED);
    expect(existsSync(inside('a.txt'))).toBe(true);
  });

  it('is stopped with all that it started when it says too much, and when the job is over', async () => {
    const loud = `process.stdout.write('x'.repeat(100_000))`;
    const bounded = (ctx: JobContext) => ctx.shell([node, '-e', loud], { maxOutputBytes: 1000 });
    expect(await within(bounded)).toBe('RESOURCE_EXHAUSTED');

    let left: Promise<unknown> | undefined;
    const grandchild = `require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(()=>{},1e6)'], {stdio:'inherit'}); setInterval(()=>{},1e6)`;
    await within((ctx) => {
      left = ctx.shell([node, '-e', grandchild]);
      return Promise.resolve();
    });
    // Its outputs end only when the grandchild has ended, too.
    await expect(left).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
