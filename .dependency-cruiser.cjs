// Who may import whom; docs/architecture.md says why. script/checks/direction.test.ts proves that each rule catches a planted import.
// Direction: protocol <- ports <- adapters <- processes, never back.

const TEST_CODE = '(\\.(test|bench|fixture)\\.ts|/testing(\\.ts|/)|/testdata/)';
const npm = (...names) => `node_modules/(${names.join('|')})/`;
const gate = (...folders) => `^packages/gate/src/(${folders.join('|')})(/|\\.ts$)`;

const NODE = Symbol('any module of Node');

/** `from` may import only what `allowed` names: path patterns, or NODE. */
const only = (name, from, allowed, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from, pathNot: TEST_CODE },
  to: {
    pathNot: allowed.filter((pattern) => pattern !== NODE),
    ...(allowed.includes(NODE) ? { dependencyTypesNot: ['core'] } : {}),
  },
});

/** From `from`, `to` cannot be reached, by no number of steps. */
const unreachable = (name, from, to, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from },
  to: { ...to, reachable: true },
});

const PROTOCOL = '^packages/protocol/src/';
const TERMINAL = '^packages/terminal/src/';

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-tests-in-product',
      comment: 'What is shipped imports no test, no test kit and no package that only tests use.',
      severity: 'error',
      from: { path: '^packages/(protocol|terminal|client|gate)/src/', pathNot: TEST_CODE },
      to: { path: [TEST_CODE, '^packages/testkit/', npm('@noble', '@hpke', 'fast-check', 'jsqr')] },
    },
    only('protocol-is-pure', `${PROTOCOL}(?!crypto\\.ts$)`, [PROTOCOL], 'The protocol imports nothing but itself.'),
    only(
      'one-file-knows-crypto',
      `${PROTOCOL}crypto\\.ts$`,
      [PROTOCOL, '^crypto$'],
      'crypto.ts is the one door to OpenSSL.',
    ),
    only(
      'fwknop-knows-nothing-native',
      `${PROTOCOL}fwknop/`,
      [`${PROTOCOL}fwknop/`, `${PROTOCOL}(result|bytes|base64|address|crypto|secret)\\.ts$`],
      'fwknop’s format shares with ours only what is of no format.',
    ),
    {
      name: 'native-knows-nothing-of-fwknop',
      severity: 'error',
      from: { path: PROTOCOL, pathNot: [`${PROTOCOL}fwknop/`, TEST_CODE] },
      to: { path: `${PROTOCOL}fwknop/` },
    },
    only(
      'terminal-stands-alone',
      TERMINAL,
      [TERMINAL, NODE],
      'What both programs share towards a person knows neither.',
    ),
    only(
      'client-has-no-npm',
      '^packages/client/src/',
      ['^packages/client/src/', PROTOCOL, TERMINAL, NODE],
      'The client runs on Node alone.',
    ),
    only(
      'line-is-a-leaf',
      gate('line'),
      [gate('line'), PROTOCOL],
      'The frames are known to both sides and know neither.',
    ),
    only(
      'system-is-low',
      gate('system'),
      [gate('system'), gate('line'), PROTOCOL, TERMINAL, NODE, npm('koffi')],
      'Bindings to the kernel know no decision; koffi is used here and nowhere else.',
    ),
    only('firewall-port-is-types', '^packages/gate/src/firewall/port\\.ts$', [PROTOCOL], 'A port is pure types.'),
    only(
      'firewall-below-monitor',
      gate('firewall'),
      [gate('firewall'), gate('system'), PROTOCOL, TERMINAL, NODE],
      'A firewall backend knows the port and the kernel.',
    ),
    {
      name: 'backends-do-not-know-each-other',
      severity: 'error',
      from: { path: '^packages/gate/src/firewall/(nftables|memory)\\.ts$' },
      to: { path: '^packages/gate/src/firewall/(nftables|memory)\\.ts$' },
    },
    only(
      'config-is-data',
      gate('config'),
      [gate('config'), '^packages/gate/src/firewall/port\\.ts$', PROTOCOL, TERMINAL, NODE, npm('valibot', 'smol-toml')],
      'Reading the configuration decides nothing.',
    ),
    only(
      'sentry-shares-little',
      gate('sentry'),
      [gate('sentry'), gate('line'), gate('system'), PROTOCOL, TERMINAL, NODE],
      'What reads strangers’ bytes shares with the monitor only the protocol, the frames and the bindings.',
    ),
    only(
      'runner-is-small',
      gate('runner'),
      [gate('runner', 'line'), NODE],
      'What runs commands for the monitor is nothing but that.',
    ),
    only(
      'gpg-is-small',
      gate('gpg'),
      [gate('gpg', 'line'), '^packages/gate/src/monitor/token-bucket\\.ts$', PROTOCOL, NODE],
      'What hands strangers’ messages to gpg is nothing but that; the one bucket is the monitor’s.',
    ),
    only(
      'monitor-not-sentry',
      gate('monitor'),
      [gate('monitor', 'admin', 'config', 'firewall', 'line', 'system'), PROTOCOL, TERMINAL, NODE],
      'What decides never runs code that reads strangers’ bytes.',
    ),
    only(
      'replay-joins-both',
      gate('replay'),
      [gate('replay', 'sentry', 'monitor', 'admin', 'config', 'firewall', 'line'), PROTOCOL, TERMINAL, NODE],
      'A replay passes recorded packets through the sentry’s code and the monitor’s, and touches no kernel.',
    ),
    {
      name: 'replay-is-on-top',
      comment:
        'Nothing that runs as the daemon has the two in one process: only the table of commands knows the replay.',
      severity: 'error',
      from: { path: '^packages/', pathNot: [gate('replay'), '^packages/gate/src/program\\.ts$', TEST_CODE] },
      to: { path: gate('replay') },
    },
    unreachable(
      'replay-opens-nothing',
      '^packages/gate/src/replay/main\\.ts$',
      { path: '^packages/gate/src/firewall/nftables\\.ts$' },
      'Its firewall is in memory.',
    ),
    only(
      'admin-asks-the-socket',
      gate('admin'),
      [
        gate('admin', 'config', 'system'),
        '^packages/gate/src/firewall/port\\.ts$',
        PROTOCOL,
        TERMINAL,
        NODE,
        npm('valibot', 'smol-toml', 'uqr'),
      ],
      'Commands ask the monitor over its socket; they hold no database and no firewall.',
    ),
    {
      name: 'one-database-owner',
      comment: 'Only the monitor opens the state database.',
      severity: 'error',
      from: { path: '^packages/', pathNot: ['^packages/gate/src/monitor/', TEST_CODE] },
      to: { path: '^(node:)?sqlite$' },
    },
    unreachable(
      'monitor-npm',
      '^packages/gate/src/monitor/main\\.ts$',
      { path: 'node_modules/', pathNot: npm('koffi', 'valibot', 'smol-toml') },
      'The monitor’s dependencies from npm are these three.',
    ),
    unreachable(
      'sentry-npm',
      '^packages/gate/src/sentry/main\\.ts$',
      { path: 'node_modules/', pathNot: npm('koffi') },
      'The sentry’s one dependency from npm is koffi.',
    ),
    unreachable(
      'sentry-reaches-no-decision',
      '^packages/gate/src/sentry/main\\.ts$',
      {
        path: [
          gate('monitor', 'admin', 'config', 'firewall'),
          '^(node:)?(sqlite|net|http|https|dgram|child_process|worker_threads)$',
        ],
      },
      'By no detour either.',
    ),
    unreachable(
      'client-reaches-no-npm',
      '^packages/client/src/(main|index)\\.ts$',
      { path: 'node_modules/' },
      'By no detour either.',
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    builtInModules: { add: ['node:sqlite', 'node:test'] },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['source', 'import', 'node', 'default'],
      extensions: ['.ts', '.js'],
    },
  },
};
