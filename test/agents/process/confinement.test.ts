/** What a lease and a profile mean for a process: never more than they say (B1 to B5). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { confinementOf, type LeasedActs } from '../../../src/agents/process/confinement.js';
import { SHELL_POLICIES, profileForRole, type WorkerProfile } from '../../../src/protocol/worker-profile.js';
import { TargetPatterns } from '../../../src/protocol/target-patterns.js';

const GENERAL = profileForRole('general');

function walls(capabilities: LeasedActs['capabilities'], profile: WorkerProfile = GENERAL, closed = true) {
  const confinement = confinementOf({ capabilities, closed }, profile);
  if (confinement.kind === 'none') throw new Error('expected walls');
  return confinement;
}

describe('what a process is kept from', () => {
  it('is everything where nothing is leased', () => {
    expect(walls({})).toEqual({ kind: 'walls', network: false, programs: 'all', places: [] });
  });

  it('is nothing where nothing is bounded, by the lease or by the profile (B5)', () => {
    expect(confinementOf({ capabilities: {}, closed: false }, GENERAL)).toEqual({ kind: 'none' });
    expect(
      confinementOf(
        { capabilities: { 'fs.read': ['**'], 'fs.write': ['/**'], 'net.fetch': ['**'] }, closed: true },
        GENERAL,
      ),
    ).toEqual({ kind: 'none' });
  });

  it('is what the profile lacks, whatever the lease says', () => {
    expect(walls({}, profileForRole('explore'), false)).toEqual({
      kind: 'walls',
      network: false,
      programs: expect.arrayContaining(['cat', 'grep']) as unknown,
      places: [{ path: '/', deep: true, writable: false }],
    });
    expect(walls({}, profileForRole('plan'), false).programs).toEqual([]);
  });

  it('opens whole folders and single files that can be read, and no finer pattern (B1)', () => {
    expect(walls({ 'fs.read': ['/data/**', '/etc/a.txt', '/logs/*.log', '/x/**/y', '/z/*'] }).places).toEqual(
      [
        { path: '/data', deep: true, writable: false },
        { path: '/etc/a.txt', deep: false, writable: false },
      ],
    );
  });

  it('lets write what may be both read and written (B1)', () => {
    const places = walls({ 'fs.read': ['/data/**'], 'fs.write': ['/data/out/**', '/secret/**'] }).places;
    expect(places).toEqual([
      { path: '/data', deep: true, writable: false },
      { path: '/data/out', deep: true, writable: true },
    ]);
    expect(walls({ 'fs.read': ['/a/b/**'], 'fs.write': ['/a/**'] }).places).toEqual([
      { path: '/a/b', deep: true, writable: true },
    ]);
  });

  it('opens the network for every address or for none (B2)', () => {
    expect(walls({ 'net.fetch': ['**'] }).network).toBe(true);
    expect(walls({ 'net.fetch': ['https://example.com/**'] }).network).toBe(false);
    expect(walls({ 'net.fetch': ['**'] }, profileForRole('review')).network).toBe(false);
  });

  it('has no place for / by itself', () => {
    expect(walls({ 'fs.read': ['/'], 'fs.write': ['/'], 'net.fetch': ['**'] }).places).toEqual([]);
  });

  it('leaves open what a lease that is not closed does not name', () => {
    expect(walls({ 'fs.read': ['/a/**'] }, GENERAL, false).network).toBe(true);
  });

  const segment = fc.constantFrom('a', 'b', 'c*', '*', '**');
  const pattern = fc
    .array(segment, { minLength: 1, maxLength: 4 })
    .map((segments) => `/${segments.join('/')}`);
  const patterns = fc.option(fc.array(pattern, { maxLength: 4 }), { nil: undefined });
  const path = fc
    .array(fc.constantFrom('a', 'b', 'c', 'cd'), { minLength: 1, maxLength: 5 })
    .map((segments) => `/${segments.join('/')}`);

  it('law: what is in sight may be read, and what can be written may be written (L4)', () => {
    fc.assert(
      fc.property(
        patterns,
        patterns,
        fc.boolean(),
        fc.boolean(),
        fc.constantFrom(...SHELL_POLICIES),
        fc.array(path, { minLength: 5, maxLength: 20 }),
        (read, write, closed, writes, shell, paths) => {
          const lease: LeasedActs = {
            capabilities: {
              ...(read === undefined ? {} : { 'fs.read': read }),
              ...(write === undefined ? {} : { 'fs.write': write }),
            },
            closed,
          };
          const profile = { ...GENERAL, shell, permissions: { write: writes, network: false } };
          const { places } = walls(lease.capabilities, profile, closed);
          const may = (patterns: readonly string[] | undefined, target: string): boolean =>
            patterns === undefined ? !closed : new TargetPatterns('path', patterns).covers(target);
          for (const target of paths) {
            const over = places.filter(
              ({ path, deep }) =>
                path === target || (deep && (path === '/' || target.startsWith(`${path}/`))),
            );
            if (over.length > 0) expect(may(read, target)).toBe(true);
            // The innermost counts.
            if (over.at(-1)?.writable === true) expect(writes && may(write, target)).toBe(true);
          }
        },
      ),
    );
  });
});
