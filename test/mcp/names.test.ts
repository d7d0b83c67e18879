import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { agentNameOf, agentsByTool, agentVersionOf, isServerName, toolNameOf } from '../../src/mcp/names.js';
import { isAgentName, isAgentVersion } from '../../src/protocol/agent-ref.js';

describe('the name of a tool as an agent', () => {
  it('is itself where it can be, and else says which characters it had', () => {
    expect(agentNameOf('docs', 'search_docs')).toBe('docs.search_docs');
    expect(agentNameOf('docs', 'get-x')).toBe('docs.get-x2d-x');
    expect(agentNameOf('docs', 'getSum')).toBe('docs.get-x53-um');
  });

  it('is a name of an agent, and gives the name of the tool back (N1, N2)', () => {
    const pieces = fc.constantFrom('-', 'x', '2d', '-x', '-x2d-', 'A', '.', '_', '😀', '', 'a');
    const tool = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(pieces).map((words) => words.join('')),
    );
    fc.assert(
      fc.property(tool, (name) => {
        fc.pre(name.isWellFormed());
        const agent = agentNameOf('s-x', name);
        if (agent.length <= 256) expect(isAgentName(agent)).toBe(true);
        expect(toolNameOf('s-x', agent)).toBe(name);
      }),
    );
  });

  it('has a version whatever the server says of its own', () => {
    fc.assert(fc.property(fc.string(), (version) => isAgentVersion(agentVersionOf(version))));
    expect(agentVersionOf('1.2.3-beta+5')).toBe('1.2.3-beta+5');
    expect(agentVersionOf('')).toBe('0.0.0');
  });

  it('begins with the name of a server, which has no dot', () => {
    expect(['docs', 'a_b-1', '9'].every(isServerName)).toBe(true);
    expect(['', 'a.b', 'A', '-a', 'x'.repeat(65)].some(isServerName)).toBe(false);
  });
});

describe('the name of an agent as a tool', () => {
  it('is itself, or a short one of its own, and never that of another agent (N3)', () => {
    const name = fc.oneof(
      fc.string(),
      fc
        .tuple(fc.constantFrom('a', 'b'), fc.nat(250), fc.constantFrom('', 'x', '.y'))
        .map(([a, n, z]) => a + a.repeat(n) + z),
    );
    fc.assert(
      fc.property(fc.uniqueArray(name), (agents) => {
        const tools = agentsByTool(agents);
        expect([...tools.values()]).toEqual(agents.filter(isAgentName));
        for (const [tool, agent] of tools) {
          expect(tool).toMatch(/^[A-Za-z0-9_.-]{1,128}$/);
          if (agent.length <= 128) expect(tool).toBe(agent);
        }
      }),
    );
  });

  it('is that of the agent which is called so, where a long name is cut to it', () => {
    const long = 'a'.repeat(200);
    const [cut = ''] = agentsByTool([long]).keys();
    expect([...agentsByTool([long, cut])]).toEqual([[cut, cut]]);
  });
});
