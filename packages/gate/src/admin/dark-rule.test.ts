import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explainDarkRefusal, refuseDark, type DarkFacts, type DarkRefusal } from './dark-rule.ts';
import type { AncestryEvidence, TcpConnection, TerminalKind } from './evidence.ts';

function from(remoteAddress: string, localPort: number, remotePort = 40_000): TcpConnection {
  return { localAddress: '203.0.113.5', localPort, remoteAddress, remotePort };
}

const OLD = from('198.51.100.7', 22, 1);
const NEW = from('198.51.100.7', 22, 2);
const ASIDE = from('198.51.100.7', 2222);
const HERE = from('127.0.0.1', 22);

function evidence(terminal: TerminalKind, connections: readonly TcpConnection[], complete = true): AncestryEvidence {
  return { terminal, ancestors: [{ pid: 7, name: 'sshd', connections }], complete };
}

const ROWS: readonly (readonly [name: string, facts: Partial<DarkFacts>, expected: DarkRefusal | undefined])[] = [
  ['a new session by a knock', { evidence: evidence('pts', [NEW]) }, undefined],
  ['a session of before', { evidence: evidence('pts', [OLD]) }, 'old-connection'],
  ['a session of before beside a new one', { evidence: evidence('pts', [NEW, OLD]) }, 'old-connection'],
  ['a new session without any grant', { evidence: evidence('pts', [NEW]), granted: false }, 'no-grant'],
  ['a session through another port', { evidence: evidence('pts', [ASIDE]), now: [NEW] }, 'other-way-in'],
  ['a session from this host', { evidence: evidence('pts', [HERE]), now: [NEW] }, 'other-way-in'],
  ['a script through another port', { evidence: evidence('none', [ASIDE]) }, 'other-way-in'],
  ['a console', { evidence: evidence('console', []), granted: false }, undefined],
  ['a console whose shell holds another connection', { evidence: evidence('console', [ASIDE]) }, undefined],
  ['no terminal and no connection', { evidence: evidence('none', []), granted: false }, undefined],
  ['no terminal, not all processes read', { evidence: evidence('none', [], false) }, 'incomplete'],
  ['tmux, and nobody came in', { evidence: evidence('pts', []), now: [OLD] }, 'nobody-came-in'],
  ['tmux, and somebody came in', { evidence: evidence('pts', []), now: [OLD, NEW] }, undefined],
  [
    'tmux, and somebody came in without a grant',
    { evidence: evidence('pts', []), now: [NEW], granted: false },
    'nobody-came-in',
  ],
  ['tmux, and only this host came in', { evidence: evidence('pts', []), now: [HERE] }, 'nobody-came-in'],
  ['a service of UDP alone', { evidence: evidence('pts', []), ports: [] }, undefined],
  [
    'a service of UDP alone, and no grant',
    { evidence: evidence('pts', []), ports: [], granted: false },
    'nobody-came-in',
  ],
];

for (const [name, facts, expected] of ROWS) {
  test(`${name}: ${expected ?? 'confirms'}`, () => {
    const usual = { ports: [22], before: [OLD], now: [], hostAddresses: new Set<string>(), granted: true };
    assert.equal(refuseDark({ evidence: evidence('pts', []), ...usual, ...facts }), expected);
    if (expected !== undefined) assert.match(explainDarkRefusal(expected, ['ssh', 'web']).hint, /ssh or web/);
  });
}
