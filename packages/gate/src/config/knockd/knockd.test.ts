import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { PersonError } from '@postern/terminal';
import { parseToml } from '../toml-file.ts';
import { recogniseIptables, splitCommand } from './command.ts';
import { convertKnockd, type Import, withArgument } from './convert.ts';
import { parseKnockdFile, parseKnockdSequence } from './file.ts';
import { formatImport } from './format.ts';

const find = (name: string): string | undefined => (name === 'missing' ? undefined : `/usr/sbin/${name}`);
const imported = (text: string): Import => convertKnockd(parseKnockdFile('/etc/knockd.conf', text), find);

/** What a text of TOML says, as ordinary objects. */
const dataOf = (text: string): unknown => JSON.parse(JSON.stringify(parseToml('x', text).data));

/** The configuration of knockd's manual page, in its parts that matter: an opening and a closing door, and one with both. */
const MANUAL = `
[options]
	UseSyslog
	Interface = eth1

[openSSH]
	sequence    = 7000,8000,9000
	seq_timeout = 5
	command     = /sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
	tcpflags    = syn

[closeSSH]
	sequence    = 9000,8000,7000
	seq_timeout = 5
	command     = /sbin/iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
	tcpflags    = syn

[opencloseSMTP]
	one_time_sequences = /etc/knockd/smtp_sequences
	seq_timeout        = 15
	tcpflags           = fin,!ack
	start_command      = /usr/sbin/iptables -A INPUT -s %IP% -p tcp --dport 25 -j ACCEPT
	cmd_timeout        = 5
	stop_command       = /usr/sbin/iptables -D INPUT -s %IP% -p tcp --dport 25 -j ACCEPT
`;

test('a whole knockd.conf becomes doors that mean the same', () => {
  const text = formatImport(imported(MANUAL), '/etc/knockd.conf', false);
  assert.deepEqual(dataOf(text), {
    doors: {
      openSSH: {
        ...{ sequence: ['tcp/7000', 'tcp/8000', 'tcp/9000'], timeout: 5, user: 'root' },
        start: ['/sbin/iptables', '-A', 'INPUT', '-s', '{source}', '-p', 'tcp', '--dport', '22', '-j', 'ACCEPT'],
      },
      closeSSH: {
        ...{ sequence: ['tcp/9000', 'tcp/8000', 'tcp/7000'], timeout: 5, user: 'root' },
        start: ['/sbin/iptables', '-D', 'INPUT', '-s', '{source}', '-p', 'tcp', '--dport', '22', '-j', 'ACCEPT'],
      },
      opencloseSMTP: {
        ...{ one_time: '/etc/knockd/smtp_sequences', timeout: 15, stop_after: 5, user: 'root' },
        start: ['/usr/sbin/iptables', '-A', 'INPUT', '-s', '{source}', '-p', 'tcp', '--dport', '25', '-j', 'ACCEPT'],
        stop: ['/usr/sbin/iptables', '-D', 'INPUT', '-s', '{source}', '-p', 'tcp', '--dport', '25', '-j', 'ACCEPT'],
      },
    },
  });
});

test('what iptables does for a while, a grant does: offered, and taken with native', () => {
  const all = imported(MANUAL);
  assert.deepEqual(
    all.doors.map(({ offer }) => offer),
    [
      { service: 'openssh', ports: ['tcp/22'], seconds: 30 },
      { service: 'openssh', ports: [], seconds: 0 },
      { service: 'openclosesmtp', ports: ['tcp/25'], seconds: 5 },
    ],
  );
  assert.deepEqual(dataOf(formatImport(all, '/etc/knockd.conf', true)), {
    services: {
      openssh: { ports: ['tcp/22'], seconds: 30 },
      openclosesmtp: { ports: ['tcp/25'], seconds: 5 },
    },
    doors: {
      openSSH: { sequence: ['tcp/7000', 'tcp/8000', 'tcp/9000'], timeout: 5, service: 'openssh', seconds: 30 },
      opencloseSMTP: { one_time: '/etc/knockd/smtp_sequences', timeout: 15, service: 'openclosesmtp', seconds: 5 },
    },
  });
});

test('every key is known in any case, aliases too, and comments only at the beginning of a line', () => {
  const { doors } = imported(
    '[Options]\nLOGFILE = /var/log/x # y\n  # [no]\n[a b]\nSEQUENCE = 1:UDP , 2\nTimeout=7\nTarget = 192.0.2.1\nTcpFlags=SYN,!ACK,psh\nCommand_6=\nStart_Command = ping -c 1 %IP%\nStop_Command=true %IP%x%IP%\nstop_command_6 = /bin/echo "a b"\nCmd_Timeout=0',
  );
  assert.deepEqual(doors[0]?.table, {
    sequence: ['udp/1', { knock: 'tcp/2', flags: 'syn,!ack,psh' }],
    ...{ timeout: 7, target: '192.0.2.1', start: ['/usr/sbin/ping', '-c', '1', '{source}'], start6: [] },
    ...{ stop: ['/usr/sbin/true', '{source}x{source}'], stop6: ['/bin/echo', 'a b'], stop_after: 0, user: 'root' },
  });
  assert.equal(doors[0].name, 'a-b');
});

test('a command that needs a shell is refused with the form that needs none, and its door is not half there', () => {
  const { doors } = imported(
    `[x]\nsequence = 1,2\ncommand = echo "for %IP%" '%IP%' %IP% | mail -s "knock" root\n[y]\nsequence=3\ncommand=missing %IP%`,
  );
  assert.equal(doors[0]?.table, undefined);
  const note = doors[0]?.notes.find(({ fate }) => fate === 'refused');
  assert.equal(note?.line, 3);
  assert.match(note.text, /a pipe/);
  assert.deepEqual(note.mend, [
    '# /etc/postern/doors/x.start, mode 0755, owner root:',
    '#!/bin/sh',
    `echo "for $1" ''"$1"'' "$1" | mail -s "knock" root`,
    '# and in [doors.x]:',
    'start = ["/etc/postern/doors/x.start", "{source}"]',
  ]);
  assert.match(doors[1]?.notes.find(({ fate }) => fate === 'refused')?.text ?? '', /no program `missing`/);
  assert.match(formatImport({ doors, notes: [] }, 'f', false), /# The door x is not here/);
});

for (const [text, says] of [
  ['sequence = 1', /^f:1: `sequence` stands in no section/],
  ['[a]\nsequense = 1', /^f:2: unknown key `sequense`/],
  ['[a]\ncommand = x', /^f:1: the door "a" has no sequence/],
  ['[a]\nsequence = 1,70000', /^f:2: sequence: a port of 1 to 65535.* not "70000"/],
  ['[a]\nsequence = 1:icmp', /not "1:icmp"/],
  [`[a]\nsequence = ${Array.from({ length: 33 }, (_, i) => i + 1).join(',')}`, /at most 32 ports expected, not 33/],
  ['[a]\nsequence = 1\ntarget = here', /^f:3: target: an address expected/],
  ['[a]\nsequence = 1\ntcpflags = syn, ack', /^f:3: tcpflags/],
  ['[a]\nsequence = 1\nseq_timeout = soon', /^f:3: seq_timeout: whole seconds expected/],
  ['[a]\nsequence', /^f:2: `sequence` has no value/],
  ['[]\nsequence=1', /^f:1: a door without a name/],
  ['[options]\nsequence = 1', /unknown key `sequence`/],
] as const) {
  test(`${text.replaceAll('\n', ' ').slice(0, 40)} is refused with its line`, () => {
    assert.throws(
      () => parseKnockdFile('f', text),
      (error) => error instanceof PersonError && says.test(error.message),
    );
  });
}

test('any text is read or refused, never anything else', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'[]=#%,:!1a \n\t$|"\'\\'.split('')) }), (text) => {
      try {
        const all = imported(text);
        parseToml('x', formatImport(all, 'x', false));
        parseToml('x', formatImport(all, 'x', true));
      } catch (error) {
        assert.ok(error instanceof PersonError);
      }
      assert.ok(Array.isArray(parseKnockdSequence(text)) || typeof parseKnockdSequence(text) === 'string');
    }),
    { numRuns: 2000 },
  );
});

test('words are those of the shell wherever a line is split at all', () => {
  const line = fc.string({
    unit: fc.constantFrom(...`ab1 \t'"\\{}=,.-/:@%^+_!`.split('')),
    minLength: 1,
    maxLength: 24,
  });
  const lines = fc.sample(line, { seed: 5, numRuns: 800 }).filter((text) => 'words' in splitCommand(text));
  assert.ok(lines.length > 100, `${lines.length} lines`);
  // One shell for all of them: what each line's words are, one a line, in hexadecimal.
  const script = lines.map((text) => `show x ${text}\n`).join('');
  const show = `show() { for word; do printf %s "$word" | od -An -v -tx1 | tr -d ' \\n'; printf ' '; done; echo; }\n`;
  const shown = execFileSync('sh', ['-c', show + script], { encoding: 'utf8' }).split('\n');
  lines.forEach((text, index) => {
    const split = splitCommand(text);
    const words = 'words' in split ? ['x', ...split.words] : [];
    assert.equal(shown[index], words.map((word) => `${Buffer.from(word).toString('hex')} `).join(''), text);
  });
});

for (const line of [
  ...[
    'a | b',
    'a && b',
    'a; b',
    'a > b',
    'a < b',
    '(a)',
    'a $HOME',
    'a `b`',
    'a *',
    'a ?',
    'a [b]',
    '~/a',
    'a ~',
    'A=1 b',
    'if a',
    '# a',
  ],
  ...['a "$b"', 'a "\\$"', "a 'b", 'a "b', 'a \\', '', '  ', 'cd /', '{ a'],
]) {
  test(`\`${line}\` needs a shell`, () => {
    assert.ok('needs' in splitCommand(line));
  });
}

test('a rule of iptables is recognised when a grant means the same, and only then', () => {
  const rule = (line: string): unknown => {
    const split = splitCommand(line);
    return 'words' in split ? recogniseIptables(split.words) : undefined;
  };
  assert.deepEqual(rule('iptables -I INPUT 1 -s %IP% -p tcp --dport 22 -j ACCEPT'), {
    action: 'add',
    family: 4,
    port: 'tcp/22',
  });
  assert.deepEqual(
    rule('/sbin/ip6tables -w 5 -A INPUT -p udp -m udp --dport 53 -s %IP%/128 -m comment --comment knock -j ACCEPT'),
    {
      ...{ action: 'add', family: 6, port: 'udp/53' },
    },
  );
  assert.deepEqual(rule('iptables -D INPUT -s %IP% -p tcp -m state --state NEW,ESTABLISHED --dport 22 -j ACCEPT'), {
    ...{ action: 'delete', family: 4, port: 'tcp/22' },
  });
  for (const other of [
    'iptables -A FORWARD -s %IP% -p tcp --dport 22 -j ACCEPT',
    'iptables -A INPUT -s 192.0.2.1 -p tcp --dport 22 -j ACCEPT',
    'iptables -A INPUT -p tcp --dport 22 -j ACCEPT',
    'iptables -A INPUT -s %IP% -p tcp --dport 22 -j DROP',
    'iptables -A INPUT -s %IP% -p tcp --dport 22:25 -j ACCEPT',
    'iptables -A INPUT -s %IP% -j ACCEPT',
    'iptables -A INPUT -i eth0 -s %IP% -p tcp --dport 22 -j ACCEPT',
    'iptables -A INPUT -s %IP% -p tcp --dport 22 -m recent --set -j ACCEPT',
    'iptables -s %IP% -p tcp --dport 22 -j ACCEPT',
    'nft add element inet f s { %IP% }',
  ])
    assert.equal(rule(other), undefined, other);
});

test('an address takes the place of %IP% in a script, in every kind of quotes', () => {
  const address = '192.0.2.7';
  for (const line of ['echo %IP%', 'echo "a %IP% b"', "echo 'a %IP% b'", `echo "it's %IP%" '"%IP%"' \\"%IP%`]) {
    const said = execFileSync('sh', ['-c', withArgument(line), 'sh', address], { encoding: 'utf8' });
    assert.equal(said, execFileSync('sh', ['-c', line.replaceAll('%IP%', address)], { encoding: 'utf8' }), line);
  }
});
