import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatBudget, parseBudget } from '../../src/protocol/cost-budget.js';
import { ArcpError } from '../../src/protocol/errors.js';
import {
  allows,
  MAX_PATTERNS,
  parseLeaseRequest,
  requestedLease,
  rootBounds,
  type LeaseBounds,
} from '../../src/protocol/lease.js';
import { inheritBounds, leaseSubset, type LeaseViolation } from '../../src/protocol/lease-subset.js';
import { fixtureCases } from '../spec-fixtures/load.js';
import { errorOf } from './error-of.js';

interface Case {
  readonly input: { readonly child: unknown; readonly parent: unknown; readonly closed?: true };
  readonly expect:
    | { readonly error: 'INVALID_ARGUMENT' }
    | { readonly error: 'LEASE_SUBSET_VIOLATION'; readonly violations: readonly string[] }
    | {
        readonly error?: never;
        readonly expires_at?: string;
        readonly capabilities?: Readonly<Record<string, readonly string[]>>;
      };
}

function violationsOf(error: ArcpError | undefined): readonly LeaseViolation[] {
  return error === undefined
    ? []
    : (error.details as { readonly violations: readonly LeaseViolation[] }).violations;
}

describe('leases', () => {
  it.each(fixtureCases<Case>('subset.json'))('$id: $shows', ({ input, expect: expected }) => {
    const parent: LeaseBounds = { ...parseLeaseRequest(input.parent), closed: input.closed === true };
    if (expected.error === 'INVALID_ARGUMENT') {
      expect(errorOf(ArcpError, () => parseLeaseRequest(input.child)).code).toBe('INVALID_ARGUMENT');
      return;
    }
    const child = parseLeaseRequest(input.child);
    const violation = leaseSubset(child, parent);
    if (expected.error !== undefined) {
      expect(violation).toMatchObject({ code: 'LEASE_SUBSET_VIOLATION', retryable: false });
      expect(violationsOf(violation).map(({ capability }) => capability)).toEqual(expected.violations);
      return;
    }
    expect(violation).toBeUndefined();
    const bounds = inheritBounds(child, parent);
    expect(bounds.budget).toEqual(child.budget);
    const capabilities = bounds.capabilities && Object.fromEntries(bounds.capabilities);
    expect(capabilities).toEqual(expected.capabilities);
    expect(bounds.closed ?? false).toBe(input.closed ?? false);
    const expiresAt = bounds.expiresAt === undefined ? undefined : new Date(bounds.expiresAt).toISOString();
    expect(expiresAt).toBe(expected.expires_at);
  });

  it('a violation says what was asked for and what there is, in words and in details', () => {
    const child = parseLeaseRequest({
      cost_budget: ['USD:9.50', 'GBP:1'],
      model_use: ['z*'],
      expires_at: '2031-01-01T00:00:00Z',
    });
    const parent = parseLeaseRequest({
      cost_budget: ['USD:5'],
      model_use: ['a*'],
      expires_at: '2030-01-01T00:00:00Z',
    });
    const error = leaseSubset(child, parent);
    expect(violationsOf(error)).toEqual([
      { capability: 'cost.budget', currency: 'USD', requested: '9.5', remaining: '5' },
      { capability: 'cost.budget', currency: 'GBP', requested: '1' },
      { capability: 'model.use', pattern: 'z*' },
      {
        capability: 'expires_at',
        requested: '2031-01-01T00:00:00.000Z',
        latest: '2030-01-01T00:00:00.000Z',
      },
    ]);
    expect(error?.message).toBe(
      "the child's lease asks for more than the parent has: 9.5 USD where the parent has 5 left; " +
        '1 GBP where the parent has no GBP; model.use of "z*", which the parent may not all do; ' +
        "until 2031-01-01T00:00:00.000Z where the parent's lease ends at 2030-01-01T00:00:00.000Z",
    );
  });

  it('a request is kept as it was asked, for the echo: spellings, extra members, order and all', () => {
    const asked = {
      zeta: { nested: [1, null] },
      cost_budget: ['USD:5.00'],
      expires_at: '2030-01-01T02:00:00+02:00',
      'fs.execute': ['USD:1'],
      ['__proto__']: 'an own member',
    };
    const text = JSON.stringify(asked);
    const lease = parseLeaseRequest(JSON.parse(text));
    expect(JSON.stringify(lease.asked)).toBe(text);
    expect(formatBudget(lease.budget ?? new Map())).toEqual(['USD:5']);
  });

  it('a pattern with a lone surrogate is refused, and their number is bounded (L7)', () => {
    expect(() => parseLeaseRequest({ model_use: ['\ud800'] })).toThrow('model_use');
    const patterns = (count: number) => ({ model_use: Array.from({ length: count }, (_, i) => `m${i}`) });
    expect(() => parseLeaseRequest(patterns(MAX_PATTERNS))).not.toThrow();
    expect(() => parseLeaseRequest(patterns(MAX_PATTERNS + 1))).toThrow('model_use');
  });

  it('without patterns every model is allowed; with none of them, none is', () => {
    const using = (...patterns: string[]): LeaseBounds => ({
      capabilities: new Map([['model.use', patterns]]),
    });
    expect(allows({}, 'model.use', 'any')).toBe(true);
    expect(allows(using(), 'model.use', 'any')).toBe(false);
    expect(allows(using('x', 'a*b'), 'model.use', 'abXb')).toBe(true);
    expect(allows(using('x', 'a*b'), 'model.use', 'abXc')).toBe(false);
  });

  it('reading a request fails with nothing but INVALID_ARGUMENT, whatever it is (L6)', () => {
    const member = fc.oneof(fc.anything(), fc.array(fc.oneof(fc.anything(), fc.string({ unit: 'binary' }))));
    const request = fc.record(
      { cost_budget: member, model_use: member, expires_at: member },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(fc.anything(), request), (value) => {
        try {
          parseLeaseRequest(value);
        } catch (error) {
          expect(error).toBeInstanceOf(ArcpError);
          expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('requestedLease', () => {
  const budgetOf = (payload: Parameters<typeof requestedLease>[0]) =>
    formatBudget(requestedLease(payload)?.budget ?? new Map());

  it('is none where none is asked for', () => {
    expect(requestedLease({})).toBeUndefined();
    expect(requestedLease({ lease_request: undefined, cost_budget: undefined })).toBeUndefined();
  });

  it('takes the older cost_budget for a lease of its own', () => {
    expect(requestedLease({ cost_budget: ['USD:5.00'] })?.asked).toEqual({ cost_budget: ['USD:5.00'] });
  });

  it('lets lease_request win over cost_budget (execution.rs ToolInvokePayload)', () => {
    expect(budgetOf({ lease_request: { cost_budget: ['USD:1'] }, cost_budget: ['USD:5'] })).toEqual([
      'USD:1',
    ]);
    expect(budgetOf({ lease_request: { cost_budget: [] }, cost_budget: ['USD:5'] })).toEqual([]);
  });

  it('does not read the cost_budget that lost', () => {
    expect(budgetOf({ lease_request: { cost_budget: ['USD:1'] }, cost_budget: ['nonsense'] })).toEqual([
      'USD:1',
    ]);
  });

  it('keeps the cost_budget where lease_request says nothing of budgets, and echoes both (L4)', () => {
    const lease = requestedLease({ lease_request: { model_use: ['a'] }, cost_budget: ['USD:5'] });
    expect(lease?.asked).toEqual({ model_use: ['a'], cost_budget: ['USD:5'] });
    expect(lease?.capabilities).toEqual(new Map([['model.use', ['a']]]));
    expect(lease?.budget).toEqual(parseBudget(['USD:5']));
  });

  it('refuses what is malformed', () => {
    for (const payload of [
      { lease_request: 'x' },
      { cost_budget: 'USD:5' },
      { lease_request: 7, cost_budget: [] },
    ]) {
      expect(errorOf(ArcpError, () => requestedLease(payload)).code).toBe('INVALID_ARGUMENT');
    }
  });
});

describe('the bounds of a root job (decision 26)', () => {
  const bounds = (request: object | undefined, unnamed: 'allow' | 'refuse'): LeaseBounds =>
    rootBounds(request === undefined ? undefined : parseLeaseRequest(request), unnamed);
  const may = (lease: LeaseBounds) =>
    [
      ['fs.read', '/a'],
      ['net.fetch', 'https://h/'],
      ['model.use', 'm'],
      ['arcpx.acme.gpu.v1', 'x'],
    ]
      .filter(([capability = '', target = '']) => allows(lease, capability, target))
      .map(([capability]) => capability);

  it('without a lease are the policy', () => {
    expect(may(bounds(undefined, 'allow'))).toEqual([
      'fs.read',
      'net.fetch',
      'model.use',
      'arcpx.acme.gpu.v1',
    ]);
    expect(may(bounds(undefined, 'refuse'))).toEqual([]);
  });

  it('with a lease that names capabilities are those, and any model', () => {
    expect(may(bounds({ 'fs.read': ['/a'] }, 'allow'))).toEqual(['fs.read', 'model.use']);
    expect(may(bounds({ 'fs.read': ['/a'] }, 'refuse'))).toEqual(['fs.read']);
    expect(may(bounds({ fs_read: ['/b'], model_use: ['n'] }, 'allow'))).toEqual([]);
    expect(may(bounds({ 'arcpx.acme.gpu.v1': ['x'] }, 'allow'))).toEqual(['model.use', 'arcpx.acme.gpu.v1']);
  });

  it('with a lease that only bounds are the policy within it', () => {
    expect(may(bounds({ model_use: ['n'], cost_budget: ['USD:1'] }, 'allow'))).toEqual([
      'fs.read',
      'net.fetch',
      'arcpx.acme.gpu.v1',
    ]);
    expect(may(bounds({ model_use: ['m'] }, 'refuse'))).toEqual(['model.use']);
  });
});

const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength: 1, maxLength: 3 });
const budget = fc
  .uniqueArray(fc.tuple(fc.constantFrom('USD', 'EUR'), fc.bigInt({ min: 0n, max: 3n })), {
    selector: ([currency]) => currency,
  })
  .map((entries) => new Map(entries));
const paths = fc.constantFrom('/a', '/a/*', '/a/**', '/*', '/a*', '/b', '**');
const capabilities = fc
  .record(
    { 'model.use': fc.array(pattern, { maxLength: 3 }), 'fs.read': fc.array(paths, { maxLength: 2 }) },
    { requiredKeys: [] },
  )
  .map((record) => new Map<string, string[]>(Object.entries(record)));
const bounds: fc.Arbitrary<LeaseBounds> = fc
  .record({ budget, capabilities, expiresAt: fc.nat(3), closed: fc.constant(true) }, { requiredKeys: [] })
  .map(({ capabilities, ...rest }) =>
    capabilities === undefined || capabilities.size === 0 ? rest : { capabilities, ...rest },
  );

const FILES = ['/', '/a', '/a/b', '/a/b/c', '/ab', '/b', '/c', '/b/c', '/ab/c'];

/** Everything that the lease allows of models and files. */
function allowed(lease: LeaseBounds): string[] {
  const models = MODELS.filter((model) => model !== '' && allows(lease, 'model.use', model));
  return [...models, ...FILES.filter((file) => allows(lease, 'fs.read', file))];
}

/** Model names enough to tell patterns of up to three characters over a and b apart. */
const MODELS = ['', 'a', 'b', 'z'].flatMap((x) =>
  ['', 'a', 'b', 'z'].flatMap((y) =>
    ['', 'a', 'b', 'z'].flatMap((z) => ['', 'a', 'b', 'z'].map((w) => x + y + z + w)),
  ),
);

describe('laws of narrowing (L4)', () => {
  it('what a child may do under its bounds, its parent may, exactly when there is no violation', () => {
    fc.assert(
      fc.property(bounds, bounds, (child, parent) => {
        const given = inheritBounds(child, parent);
        const parents = new Set(allowed(parent));
        const within = allowed({ ...child, closed: true }).every((target) => parents.has(target));
        expect(!within || allowed(given).every((target) => parents.has(target))).toBe(true);
        const spends = [...(child.budget ?? [])].every(
          ([currency, amount]) =>
            parent.budget === undefined || amount <= (parent.budget.get(currency) ?? -1n),
        );
        const asked = child.expiresAt ?? parent.expiresAt ?? Infinity;
        const expiry = asked <= (parent.expiresAt ?? Infinity);
        expect(leaseSubset(child, parent) === undefined).toBe(within && spends && expiry);
        expect((given.expiresAt ?? Infinity) <= (parent.expiresAt ?? Infinity)).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  it('every lease lies within itself, and within a lease that bounds nothing', () => {
    fc.assert(
      fc.property(bounds, (lease) => {
        expect(leaseSubset(lease, lease)).toBeUndefined();
        expect(leaseSubset(lease, {})).toBeUndefined();
        expect(inheritBounds(lease, lease)).toEqual(lease);
      }),
    );
  });

  it('targets and expiry never widen along a chain of any length', () => {
    fc.assert(
      fc.property(fc.array(bounds, { minLength: 1, maxLength: 6 }), ([root, ...descendants]) => {
        let held: LeaseBounds = root ?? {};
        for (const asked of descendants) {
          if (leaseSubset(asked, held) !== undefined) continue;
          const next = inheritBounds(asked, held);
          const before = new Set(allowed(held));
          expect(allowed(next).filter((target) => !before.has(target))).toEqual([]);
          expect((next.expiresAt ?? Infinity) <= (held.expiresAt ?? Infinity)).toBe(true);
          held = next;
        }
      }),
      { numRuns: 500 },
    );
  });
});
