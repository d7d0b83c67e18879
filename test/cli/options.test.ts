import fc from 'fast-check';
import { InvalidArgumentError } from 'commander';
import { describe, expect, it } from 'vitest';
import {
  mergeArguments,
  parseArgument,
  parseBudgetOption,
  parseDuration,
  parseMcp,
  parseOrigin,
  parsePort,
  parseTrust,
  parseUrl,
} from '../../src/cli/options.js';

describe('--arg name=value', () => {
  it.each([
    ['ms=500', 'ms', 500],
    ['on=true', 'on', true],
    ['none=null', 'none', null],
    ['list=[1,"a"]', 'list', [1, 'a']],
    ['text=hello world', 'text', 'hello world'],
    ['path=/tmp/a=b', 'path', '/tmp/a=b'],
    ['text="500"', 'text', '500'],
    ['empty=', 'empty', ''],
  ])('reads %s as JSON where it is JSON, else as text', (text, name, value) => {
    expect(parseArgument(text)).toEqual([name, value]);
  });

  it.each(['ms', '=5', ''])('refuses %j', (text) => {
    expect(() => parseArgument(text)).toThrow(InvalidArgumentError);
  });

  it('reads back every JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(parseArgument(`x=${JSON.stringify(value)}`)[1]).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});

describe('the arguments of an invocation', () => {
  it('are --args with each --arg on top, the last one of a name', () => {
    expect(
      mergeArguments({ a: 1, b: 1 }, [
        ['b', 2],
        ['c', 3],
        ['c', 4],
      ]),
    ).toEqual({ a: 1, b: 2, c: 4 });
  });

  it('are --args as it is, of any type, when there is no --arg', () => {
    expect(mergeArguments([1, 2], [])).toEqual([1, 2]);
    expect(mergeArguments(null, [])).toBeNull();
    expect(mergeArguments(undefined, [])).toEqual({});
  });

  it('cannot be a list with --arg added to it', () => {
    expect(() => mergeArguments([1], [['a', 1]])).toThrow('--args is not');
  });

  it('take __proto__ as a name like any other', () => {
    const merged = mergeArguments(undefined, [['__proto__', { polluted: true }]]);
    expect(Object.keys(merged as object)).toEqual(['__proto__']);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe('--budget', () => {
  it('keeps well-formed amounts as they were written', () => {
    expect(parseBudgetOption('credits:20', parseBudgetOption('USD:1.50', undefined))).toEqual([
      'USD:1.50',
      'credits:20',
    ]);
  });

  it.each(['USD', 'USD:', ':1', 'USD:abc', 'USD:-1', 'USD:1e3', 'USD:+1', 'USD:1.'])(
    'refuses %j (decision 15)',
    (text) => {
      expect(() => parseBudgetOption(text, undefined)).toThrow(InvalidArgumentError);
    },
  );

  it('refuses a currency that is named twice', () => {
    expect(() => parseBudgetOption('USD:2', ['USD:1'])).toThrow('twice');
  });
});

describe('a duration', () => {
  it.each([
    ['0', 0],
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5m', 90_000],
    ['2h', 7_200_000],
  ])('%s is %i ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', '30', '-1s', 's', '1d', '1e3s', '30 s', '1.2345s'])('refuses %j', (text) => {
    expect(() => parseDuration(text)).toThrow(InvalidArgumentError);
  });
});

describe('a port', () => {
  it.each(['-1', '65536', 'http', '7777 ', '', '1e3'])('refuses %j', (text) => {
    expect(() => parsePort(text)).toThrow('0 to 65535');
  });

  it('may be 0, for a free one', () => {
    expect(parsePort('0')).toBe(0);
  });
});

describe('a URL', () => {
  it.each(['http://127.0.0.1', '127.0.0.1:7777'])('refuses %j', (text) => {
    expect(() => parseUrl(text)).toThrow(InvalidArgumentError);
  });

  it('with a secret in it is refused without being repeated, which commander would do', () => {
    expect(() => parseUrl('ws://me:hunter2@host')).toThrow(
      expect.objectContaining({ exitCode: 2, message: 'a URL carries no secrets here' }),
    );
  });

  it('may be ws:// or wss://', () => {
    expect([parseUrl('ws://[::1]:7777'), parseUrl('wss://runtime.example/arcp')]).toEqual([
      'ws://[::1]:7777',
      'wss://runtime.example/arcp',
    ]);
  });
});

describe('--trust principal=level', () => {
  it.each([
    ['ada=constrained', 'ada', 'constrained'],
    ['a=b=privileged', 'a=b', 'privileged'],
  ])('reads %s', (text, principal, level) => {
    expect(parseTrust(text)).toEqual([principal, level]);
  });

  it.each(['ada', 'ada=', '=trusted', 'ada=god'])('refuses %j', (text) => {
    expect(() => parseTrust(text)).toThrow(InvalidArgumentError);
  });
});

describe('an origin', () => {
  it.each(['app.example', 'https://app.example/path', 'null', '*', 'file:///etc'])('refuses %j', (text) => {
    expect(() => parseOrigin(text)).toThrow(InvalidArgumentError);
  });

  it('is scheme, host and port', () => {
    expect(parseOrigin('http://localhost:3000')).toBe('http://localhost:3000');
  });
});

describe('--mcp', () => {
  it('takes a name and a command, in words as a shell has them', () => {
    expect(parseMcp(`docs=npx -y "docs server" 'it''s' a\\ b ""`)).toEqual({
      name: 'docs',
      command: 'npx',
      args: ['-y', 'docs server', 'its', 'a b', ''],
    });
  });

  it.each(['docs', '=x', 'a.b=x', 'docs=', 'docs=  ', 'docs="x'])('refuses %j', (text) => {
    expect(() => parseMcp(text)).toThrow(InvalidArgumentError);
  });
});
