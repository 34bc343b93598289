import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { explainRefusal, mayConfirm, type ConfirmFacts } from './confirm-rule.ts';
import type { TcpConnection, TerminalKind } from './evidence.ts';

const connection = (remotePort: number, from = '198.51.100.7', localPort = 22): TcpConnection => ({
  localAddress: '203.0.113.5',
  localPort,
  remoteAddress: from,
  remotePort,
});
const OLD = connection(1001);
const NEW = connection(2002);
const LOOP: TcpConnection = { localAddress: '127.0.0.1', localPort: 22, remoteAddress: '127.0.0.1', remotePort: 3003 };
const OWN = connection(4004, '203.0.113.5');
const OWN_OTHER = connection(4005, '203.0.113.6');
const LOOP6: TcpConnection = { localAddress: '::1', localPort: 22, remoteAddress: '::1', remotePort: 3004 };
/** A session over an sshd on a port that is not protected. */
const ELSEWHERE = connection(5005, '198.51.100.7', 2222);

type Row = {
  readonly name: string;
  readonly terminal?: TerminalKind;
  readonly own?: readonly TcpConnection[];
  readonly before?: readonly TcpConnection[];
  readonly now?: readonly TcpConnection[];
  readonly complete?: boolean;
  readonly ports?: readonly number[];
  readonly grantedSince?: boolean;
  readonly expected: string;
};

const rows: readonly Row[] = [
  { name: 'the old ssh session', own: [OLD], before: [OLD], now: [OLD], expected: 'old-connection' },
  {
    name: 'the old session, while another came in',
    own: [OLD],
    before: [OLD],
    now: [OLD, NEW],
    expected: 'old-connection',
  },
  {
    name: 'the old session without a terminal',
    terminal: 'none',
    own: [OLD],
    before: [OLD],
    now: [OLD],
    expected: 'old-connection',
  },
  {
    name: 'the old session on what calls itself a console',
    terminal: 'console',
    own: [OLD],
    before: [OLD],
    expected: 'old-connection',
  },
  {
    name: 'an old and a new connection above us',
    own: [NEW, OLD],
    before: [OLD],
    now: [OLD, NEW],
    expected: 'old-connection',
  },
  { name: 'a new ssh session', own: [NEW], before: [OLD], now: [OLD, NEW], expected: 'new-connection' },
  {
    name: 'a new ssh session without a terminal',
    terminal: 'none',
    own: [NEW],
    before: [OLD],
    expected: 'new-connection',
  },
  { name: 'a new session where nobody was before', own: [NEW], expected: 'new-connection' },
  { name: 'the console', terminal: 'console', before: [OLD], now: [OLD], expected: 'console' },
  { name: 'the console, unreadable parents', terminal: 'console', complete: false, expected: 'console' },
  { name: 'a script without a terminal', terminal: 'none', before: [OLD], now: [OLD], expected: 'no-terminal' },
  {
    name: 'a script whose parents cannot be read',
    terminal: 'none',
    complete: false,
    before: [OLD],
    now: [OLD],
    expected: 'incomplete',
  },
  {
    name: 'such a script after somebody came in',
    terminal: 'none',
    complete: false,
    before: [OLD],
    now: [NEW],
    expected: 'somebody-came-in',
  },
  { name: 'tmux, nobody new', before: [OLD], now: [OLD], expected: 'nobody-came-in' },
  { name: 'tmux, nobody at all', expected: 'nobody-came-in' },
  { name: 'tmux, after a new connection', before: [OLD], now: [OLD, NEW], expected: 'somebody-came-in' },
  {
    name: 'tmux, the new connection is to another port',
    before: [OLD],
    now: [OLD, ELSEWHERE],
    expected: 'nobody-came-in',
  },
  {
    name: 'tmux, the new connection is from this host',
    before: [OLD],
    now: [OLD, LOOP, LOOP6, OWN, OWN_OTHER],
    expected: 'nobody-came-in',
  },
  { name: 'over an sshd on an unprotected port', own: [ELSEWHERE], before: [], now: [], expected: 'nobody-came-in' },
  {
    name: 'the same, live since before',
    own: [ELSEWHERE],
    before: [ELSEWHERE],
    now: [NEW],
    expected: 'somebody-came-in',
  },
  { name: 'the same without a terminal', terminal: 'none', own: [ELSEWHERE], expected: 'no-terminal' },
  {
    name: 'ssh localhost from the old session',
    own: [LOOP],
    before: [OLD],
    now: [OLD, LOOP],
    expected: 'local-connection',
  },
  { name: 'ssh ::1', own: [LOOP6], before: [OLD], now: [OLD, LOOP6], expected: 'local-connection' },
  { name: 'ssh to the own address', own: [OWN], before: [OLD], now: [OLD, OWN], expected: 'local-connection' },
  {
    name: 'ssh from another own address',
    own: [OWN_OTHER],
    before: [OLD],
    now: [OWN_OTHER],
    expected: 'local-connection',
  },
  {
    name: 'ssh localhost without a terminal',
    terminal: 'none',
    own: [LOOP],
    before: [OLD],
    now: [OLD, LOOP],
    expected: 'local-connection',
  },
  {
    name: 'ssh localhost while somebody came in',
    own: [LOOP],
    before: [OLD],
    now: [OLD, LOOP, NEW],
    expected: 'somebody-came-in',
  },
  { name: 'UDP only, tmux, no grant', ports: [], expected: 'nobody-came-in' },
  { name: 'UDP only, tmux, a grant', ports: [], grantedSince: true, expected: 'grant' },
  { name: 'UDP only, the console', ports: [], terminal: 'console', expected: 'console' },
  {
    name: 'a grant alone proves nothing where connections can be seen',
    grantedSince: true,
    expected: 'nobody-came-in',
  },
];

function facts(row: Row): ConfirmFacts {
  return {
    evidence: {
      terminal: row.terminal ?? 'pts',
      complete: row.complete ?? true,
      ancestors: [
        { pid: 9, name: 'node', connections: [] },
        ...(row.own ?? []).map((one, i) => ({ pid: 8 - i, name: 'sshd', connections: [one] })),
      ],
    },
    ports: row.ports ?? [22],
    before: row.before ?? [],
    now: row.now ?? [],
    hostAddresses: new Set(['203.0.113.5', '203.0.113.6']),
    grantedSince: row.grantedSince ?? false,
  };
}

for (const row of rows) {
  test(`confirm: ${row.name}: ${row.expected}`, () => {
    const decision = mayConfirm(facts(row));
    assert.equal(decision.allow ? decision.ground : decision.reason, row.expected);
  });
}

const someConnection = fc.constantFrom(OLD, NEW, LOOP, LOOP6, OWN, OWN_OTHER, ELSEWHERE);
const someFacts = fc
  .record({
    name: fc.constant(''),
    expected: fc.constant(''),
    terminal: fc.constantFrom<TerminalKind>('console', 'pts', 'none'),
    own: fc.array(someConnection, { maxLength: 3 }),
    before: fc.array(someConnection, { maxLength: 4 }),
    now: fc.array(someConnection, { maxLength: 4 }),
    complete: fc.boolean(),
    grantedSince: fc.boolean(),
  })
  .map(facts);

test('whoever holds a connection to the port from before never confirms', () => {
  fc.assert(
    fc.property(someFacts, (given) => {
      const held = given.evidence.ancestors
        .flatMap((a) => a.connections)
        .filter((c) => given.ports.includes(c.localPort));
      if (held.some((one) => given.before.includes(one))) assert.equal(mayConfirm(given).allow, false);
    }),
  );
});

test('on a pseudo-terminal nothing is allowed unless somebody outside came in after protecting began', () => {
  fc.assert(
    fc.property(someFacts, (given) => {
      if (given.evidence.terminal !== 'pts' || !mayConfirm(given).allow) return;
      const seen = [...given.now, ...given.evidence.ancestors.flatMap((a) => a.connections)];
      assert.ok(seen.includes(NEW) || (seen.includes(OLD) && !given.before.includes(OLD)));
    }),
  );
});

test('every refusal says what happened and what to do', () => {
  for (const reason of ['old-connection', 'local-connection', 'nobody-came-in', 'incomplete'] as const) {
    const { message, hint } = explainRefusal(reason, 'ssh');
    assert.match(message, /^[a-z].*[^.]$/);
    assert.match(hint, /second one/);
  }
});
