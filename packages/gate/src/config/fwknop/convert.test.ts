import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Fate } from '../import-note.ts';
import { parseAccess } from './access-file.ts';
import { convertFwknop, type FwknopImport } from './convert.ts';
import { parseFwknopdFile } from './fwknopd-file.ts';
import type { StanzaTable } from './schema.ts';

const NOW = new Date('2027-01-01T00:00:00Z');
const KEYS = 'KEY_BASE64 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=;\nHMAC_KEY_BASE64 BBBBBBBB;\n';
/** A stanza of which nothing is to be said. */
const SOUND = `SOURCE 192.0.2.1;\n${KEYS}OPEN_PORTS tcp/22;\nREQUIRE_SOURCE_ADDRESS Y;\n`;

function converted(access: string, daemon = ''): FwknopImport {
  const files = parseAccess(['/a'], { read: () => access, list: () => [] });
  return convertFwknop(parseFwknopdFile('/d', daemon), files, NOW);
}

/** The first stanza and what is said of it, without what was carried over. */
function first(access: string, daemon?: string): { table: StanzaTable | undefined; notes: readonly [Fate, string][] } {
  const [source] = converted(access, daemon).sources;
  return {
    table: source?.stanzas[0]?.table,
    notes: (source?.notes ?? []).flatMap(({ fate, text }): [Fate, string][] =>
      fate === 'carried' ? [] : [[fate, text]],
    ),
  };
}

test('of a sound stanza nothing is said but what was carried over', () => {
  const [source] = converted(SOUND).sources;
  assert.deepEqual(source?.notes, [
    {
      ...{ fate: 'carried', file: '/a', line: 1 },
      text: 'SOURCE, OPEN_PORTS, REQUIRE_SOURCE_ADDRESS, KEY_BASE64, HMAC_KEY_BASE64',
    },
  ]);
});

/** What is written into the sound stanza, or into fwknopd.conf; what becomes of it in the table; what is said of it. */
const ROWS: readonly (readonly [
  lines: string,
  table: Readonly<Record<string, unknown>> | undefined,
  says: readonly [Fate, RegExp][],
  daemon?: string,
])[] = [
  ['SOURCE ANY', { source: ['any'] }, []],
  [
    'SOURCE 10.1.2.3/8, 1.2.3.4/255.255.255.252, 2001:db8::1/32',
    { source: ['10.0.0.0/8', '1.2.3.4/30', '2001:db8::/32'] },
    [],
  ],
  ['SOURCE 10.0.0.0/255.0.255.0', undefined, [['refused', /^SOURCE: ANY, or addresses/]]],
  ['SOURCE 10.0.0.0/33', undefined, [['refused', /^SOURCE/]]],
  ['SOURCE example.org', undefined, [['refused', /^SOURCE/]]],
  ['DESTINATION any', { destination: undefined }, []],
  ['DESTINATION 192.0.2.5', { destination: ['192.0.2.5'] }, []],
  ['OPEN_PORTS TCP/022 , udp/53', { open_ports: ['tcp/22', 'udp/53'] }, []],
  ['OPEN_PORTS icmp/8', undefined, [['refused', /^OPEN_PORTS: ports/]]],
  ['OPEN_PORTS tcp/0', undefined, [['refused', /^OPEN_PORTS: ports/]]],
  ['RESTRICT_PORTS tcp/23', { restrict_ports: ['tcp/23'] }, []],
  ['FW_ACCESS_TIMEOUT 90', { seconds: 90, max_seconds: 300 }, []],
  ['FW_ACCESS_TIMEOUT 0', { seconds: 30 }, [['changed', /0 means 30 s/]]],
  ['FW_ACCESS_TIMEOUT 8388608', { seconds: 86_400 }, [['changed', /a day, at most/]]],
  ['FW_ACCESS_TIMEOUT 8388609', undefined, [['refused', /8388608 at most/]]],
  ['MAX_FW_TIMEOUT 10', { seconds: 30, max_seconds: 10 }, []],
  ['MAX_FW_TIMEOUT ten', undefined, [['refused', /^MAX_FW_TIMEOUT: whole seconds/]]],
  ['REQUIRE_SOURCE_ADDRESS N', { require_source_address: false }, [['weak', /may leave its address out/]]],
  ['REQUIRE_SOURCE_ADDRESS N\nREQUIRE_SOURCE yes', { require_source_address: true }, []],
  ['REQUIRE_USERNAME Jo Doe', { require_user: 'Jo Doe' }, []],
  [`REQUIRE_USERNAME ${'x'.repeat(49)}`, undefined, [['refused', /^REQUIRE_USERNAME: 1 to 48/]]],
  ['REQUIRE_USERNAME ü', undefined, [['refused', /^REQUIRE_USERNAME/]]],
  ['ACCESS_EXPIRE_EPOCH 1893456000', { expires: '2030-01-01T00:00:00.000Z' }, []],
  ['ACCESS_EXPIRE_EPOCH 1', { expires: '1970-01-01T00:00:01.000Z' }, [['weak', /it has run out/]]],
  ['ACCESS_EXPIRE_EPOCH soon', undefined, [['refused', /^ACCESS_EXPIRE_EPOCH: seconds/]]],
  ['ACCESS_EXPIRE 13/01/2030', undefined, [['refused', /^ACCESS_EXPIRE: a day as MM/]]],
  ['ACCESS_EXPIRE 02/30/2030', undefined, [['refused', /^ACCESS_EXPIRE: a day as MM/]]],
  ['HMAC_DIGEST_TYPE Sha3_512', { hmac: 'sha3_512' }, []],
  ['HMAC_DIGEST_TYPE md5', { hmac: 'md5' }, [['weak', /^HMAC_DIGEST_TYPE: md5/]]],
  ['HMAC_DIGEST_TYPE crc', undefined, [['refused', /^HMAC_DIGEST_TYPE: one of md5/]]],
  ['ENCRYPTION_MODE ctr', { mode: 'ctr' }, []],
  ['ENCRYPTION_MODE ECB', { mode: 'ecb' }, [['weak', /^ENCRYPTION_MODE: ecb/]]],
  ['ENCRYPTION_MODE legacy', { mode: 'legacy' }, [['weak', /^ENCRYPTION_MODE: legacy .* HMAC/]]],
  ['ENCRYPTION_MODE PCBC', undefined, [['refused', /^ENCRYPTION_MODE: one of/]]],
  ['ALLOW_NO_HMAC Y', { hmac: 'sha256' }, [['no-meaning', /^ALLOW_NO_HMAC/]]],
  ['KEY_BASE64 __CHANGEME__', undefined, [['refused', /^KEY_BASE64: no key was put/]]],
  ['KEY_BASE64 a!', undefined, [['refused', /^KEY_BASE64: it is no base64$/]]],
  [
    `KEY_BASE64 ${'A'.repeat(44)}`,
    undefined,
    [['refused', /^KEY_BASE64: a key has 32 bytes at most, and this one has 33$/]],
  ],
  [`HMAC_KEY_BASE64 ${'A'.repeat(172)}`, undefined, [['refused', /^HMAC_KEY_BASE64: a key has 128 bytes at most/]]],
  ['KEY_BASE64 BBBBBBBB', undefined, [['refused', /two keys are the same/]]],
  ['KEY passphrase', {}, [['changed', /^KEY: KEY_BASE64 is there, too/]]],
  ['CMD_CYCLE_OPEN /bin/x $IP', undefined, [['refused', /CMD_CYCLE_CLOSE is missing/]]],
  ['CMD_CYCLE_CLOSE /bin/x $IP', undefined, [['refused', /CMD_CYCLE_OPEN is missing/]]],
  ['CMD_CYCLE_OPEN /bin/x\nCMD_CYCLE_CLOSE /bin/y', undefined, [['refused', /CMD_CYCLE_TIMER must be/]]],
  [
    'CMD_CYCLE_OPEN /bin/x "$SRC:$PORT" $PROTO\nCMD_CYCLE_CLOSE none',
    { cycle: { open: ['/bin/x', '{source}:{port}', '{protocol}'], user: 'root' } },
    [['weak', /run as root/]],
  ],
  [
    'CMD_CYCLE_OPEN /x $PKT_SRC$CLIENT_TIMEOUT\nCMD_CYCLE_CLOSE /y $DST $TIMEOUT $IP\nCMD_CYCLE_TIMER 7',
    {
      cycle: {
        ...{ open: ['/x', '{packet_source}{client_timeout}'], close: ['/y', '{destination}', '{timeout}', '{source}'] },
        ...{ close_after: 7, user: 'root' },
      },
    },
    [['weak', /run as root/]],
  ],
  ['CMD_CYCLE_OPEN /x | y\nCMD_CYCLE_CLOSE NONE', undefined, [['refused', /it needs a shell, for a pipe/]]],
  ['CMD_CYCLE_OPEN /x $HOME\nCMD_CYCLE_CLOSE NONE', undefined, [['refused', /it needs a shell, for an expansion/]]],
  ['CMD_CYCLE_OPEN x $IP\nCMD_CYCLE_CLOSE NONE', undefined, [['refused', /absolute path/]]],
  ['CMD_CYCLE_OPEN /x {source}\nCMD_CYCLE_CLOSE NONE', undefined, [['refused', /in braces/]]],
  [
    'CMD_EXEC_GROUP x\nENABLE_CMD_SUDO_EXEC Y',
    { command_user: undefined },
    [
      ['no-meaning', /ENABLE_CMD_SUDO_EXEC/],
      ['no-meaning', /CMD_EXEC_GROUP/],
    ],
  ],
  [
    'ENABLE_CMD_EXEC Y\nCMD_EXEC_USER ada\nENABLE_CMD_SUDO_EXEC Y\nCMD_SUDO_EXEC_USER bob',
    undefined,
    [
      ['refused', /sudo fails/],
      ['changed', /may take 10 s/],
    ],
  ],
  [
    'ENABLE_CMD_EXEC Y',
    { command_user: 'root' },
    [
      ['weak', /any command as root/],
      ['changed', /10 s/],
    ],
  ],
  [
    'ENABLE_CMD_EXEC Y\nCMD_EXEC_USER A B',
    undefined,
    [
      ['refused', /name of a system user/],
      ['changed', /10 s/],
    ],
  ],
  ['FORWARD_ALL Y', undefined, [['refused', /^FORWARD_ALL: all traffic/]]],
  ['DISABLE_DNAT Y', undefined, [['refused', /^DISABLE_DNAT/]]],
  ['FORCE_NAT 10.0.3.7 22', undefined, [['refused', /neither ENABLE_IPT_FORWARDING nor/]]],
  ['FORCE_NAT fd00::7 22', { forward: true, forward_to: '[fd00::7]:22' }, [], 'ENABLE_IPT_FORWARDING Y'],
  ['FORCE_NAT host 22', undefined, [['refused', /^FORCE_NAT: an address and a port/]], 'ENABLE_IPT_FORWARDING Y'],
  ['FORCE_SNAT 10.0.0.1', undefined, [['refused', /^FORCE_SNAT: it needs FORCE_NAT/]], 'ENABLE_IPT_FORWARDING Y'],
  [
    'FORCE_NAT 10.0.3.7 22\nFORCE_SNAT 10.0.0.1',
    { forward_local: true, forward_to: '10.0.3.7:22', masquerade: true },
    [['changed', /^FORCE_SNAT/]],
    'ENABLE_IPT_LOCAL_NAT Y',
  ],
  ['', { forward: true, masquerade: true }, [], 'ENABLE_FIREWD_FORWARDING Y\nENABLE_IPT_SNAT Y'],
  ['', { masquerade: undefined }, [], 'ENABLE_IPT_SNAT Y'],
];

for (const [lines, table, says, daemon] of ROWS) {
  test(`${daemon === undefined ? '' : `with ${daemon.replace(/\n/g, '; ')}: `}${lines.slice(0, 90).replace(/\n/g, '; ')}`, () => {
    // What is said again counts.
    const [, ...rest] = SOUND.split('\n');
    const text = lines.startsWith('SOURCE ') ? `${lines}\n${rest.join('\n')}` : `${SOUND}${lines}\n`;
    const got = first(text, daemon);
    const plain = JSON.parse(JSON.stringify(got.table ?? null)) as Readonly<Record<string, unknown>> | null;
    if (table === undefined) assert.equal(plain, null);
    else for (const [key, value] of Object.entries(table)) assert.deepEqual(plain?.[key], value, key);
    const notes = got.notes.filter(([, it]) => !/is there twice|is unknown/.test(it));
    assert.equal(notes.length, says.length, JSON.stringify(notes));
    says.forEach(([fate, pattern], i) => {
      assert.equal(notes[i]?.[0], fate, JSON.stringify(notes));
      assert.match(notes[i][1], pattern);
    });
  });
}

test('without an HMAC a stanza is refused, unless it says so in as many words', () => {
  const bare = 'SOURCE 192.0.2.1\nKEY_BASE64 AAAA\nOPEN_PORTS tcp/22\nREQUIRE_SOURCE_ADDRESS Y\n';
  const refused = converted(bare).sources[0];
  assert.deepEqual([refused?.stanzas.length, refused?.notes[0]?.fate], [0, 'refused']);
  assert.ok(refused?.notes[0]?.mend?.includes('ALLOW_NO_HMAC Y;  # takes such packets all the same'));
  const { table, notes } = first(`${bare}ALLOW_NO_HMAC Y\n`);
  assert.equal(table?.hmac, 'none');
  assert.deepEqual(
    notes.map(([fate]) => fate),
    ['weak'],
  );
});

test('a passphrase in the place of a key is weak, and nothing of it is said', () => {
  const { notes } = first('SOURCE 192.0.2.1\nKEY zaubernuss\nHMAC_KEY haselnuss\nOPEN_PORTS tcp/1\nREQUIRE_SOURCE Y\n');
  assert.deepEqual(
    notes.map(([fate, text]) => [fate, text.slice(0, 30)]),
    [
      ['weak', 'KEY: it is a short passphrase:'],
      ['weak', 'HMAC_KEY: it is a short passph'],
    ],
  );
  assert.doesNotMatch(JSON.stringify(notes), /nuss/);
});

test('shared keys, any source and any port are told of', () => {
  const text = `${SOUND}SOURCE ANY\n${KEYS}ENABLE_CMD_EXEC Y\nREQUIRE_SOURCE Y\n`;
  const { sources } = converted(text);
  assert.deepEqual(
    sources[1]?.notes.filter(({ fate }) => fate === 'weak').map(({ text: says }) => says.slice(0, 40)),
    [
      'it may open every port',
      'ENABLE_CMD_EXEC: whoever has its keys ru',
      'ENABLE_CMD_EXEC: its commands may come f',
      'it shares keys with stanza-1: the two ca',
    ],
  );
});

const GPG = `SOURCE 192.0.2.1\nHMAC_KEY_BASE64 BBBB\nOPEN_PORTS tcp/1\nREQUIRE_SOURCE Y\nGPG_ALLOW_NO_PW Y\n`;
const FINGERPRINT = '00112233445566778899AABBCCDDEEFF00112233';

test('a stanza with gpg needs to say who signs', () => {
  assert.match(first(GPG).notes[0]?.[1] ?? '', /does not say whose signature/);
  const { table, notes } = first(`${GPG}GPG_FINGERPRINT_ID ${FINGERPRINT.toLowerCase()}\nGPG_HOME_DIR /k\n`);
  assert.deepEqual(table?.gpg, { home: '/k', program: '/usr/bin/gpg', signers: [FINGERPRINT] });
  assert.deepEqual(notes, []);
  const short = first(`${GPG}GPG_REMOTE_ID 0x1234abcd, AABBCCDDEEFF0011\n`);
  assert.deepEqual(short.table?.gpg?.signers, ['1234ABCD', 'AABBCCDDEEFF0011']);
  assert.match(short.notes[0]?.[1] ?? '', /a short id is no proof/);
  assert.match(first(`${GPG}GPG_REMOTE_ID ada@example.org\n`).notes[0]?.[1] ?? '', /ids of keys are expected/);
  const unsigned = first(`${GPG}GPG_DISABLE_SIG Y\n`);
  assert.equal(unsigned.table?.gpg?.unsigned, true);
  assert.match(unsigned.notes[0]?.[1] ?? '', /no signature is asked for/);
  const careless = first(`${GPG}GPG_FINGERPRINT_ID ${FINGERPRINT}\nGPG_IGNORE_SIG_VERIFY_ERROR Y\n`);
  assert.equal(careless.table?.gpg?.ignore_bad_signature, true);
  assert.match(careless.notes[0]?.[1] ?? '', /counts as one/);
});

test('a stanza with a key and gpg becomes two', () => {
  const { sources } = converted(`${SOUND}GPG_DECRYPT_PW x\nGPG_FINGERPRINT_ID ${FINGERPRINT}\nREQUIRE_USERNAME ada\n`);
  assert.deepEqual(
    sources[0]?.stanzas.map(({ name, table, keys }) => [name, table.gpg === undefined, Object.keys(keys)]),
    [
      ['ada', true, ['key', 'hmacKey']],
      ['ada-gpg', false, ['hmacKey', 'passphrase']],
    ],
  );
});

test('stanzas are called after the user that they ask for, each by a name of its own', () => {
  const stanza = (user: string): string => `${SOUND}REQUIRE_USERNAME ${user}\n`;
  const { sources } = converted(
    stanza('ada') + SOUND + stanza('ada') + stanza('a b+c') + stanza('-') + stanza('ada-gpg') + stanza('42'),
  );
  assert.deepEqual(
    sources.map(({ name }) => name),
    ['ada', 'stanza-2', 'ada-2', 'a-b-c', 'stanza-5', 'ada-gpg-2', 'user-42'],
  );
});

/** What is written into fwknopd.conf, what becomes of it, what is said. */
const SETTINGS: readonly (readonly [string, Readonly<Record<string, unknown>>, readonly [Fate, RegExp][]])[] = [
  ['', { hear: ['udp/62201'], max_age: 120, nat_names: true }, []],
  ['PCAP_FILTER udp dst portrange 10000-65535 or icmp', { hear: ['udp/10000-65535', 'icmp'] }, []],
  ['PCAP_FILTER udp port 1 and host h', { hear: undefined }, [['refused', /^PCAP_FILTER: it cannot be said here/]]],
  ['PCAP_FILTER tcp port 80', { hear: ['tcp/80'] }, [['changed', /^PCAP_FILTER: a TCP port is heard/]]],
  ['ENABLE_UDP_SERVER Y\nUDPSERV_PORT 5', { hear: ['udp/5'] }, [['changed', /^ENABLE_UDP_SERVER/]]],
  ['ENABLE_UDP_SERVER Y\nUDPSERV_PORT 0', { hear: undefined }, [['refused', /^UDPSERV_PORT/]]],
  ['ENABLE_TCP_SERVER Y', { hear: ['udp/62201'] }, [['changed', /^ENABLE_TCP_SERVER/]]],
  ['ENABLE_SPA_OVER_HTTP Y', {}, [['changed', /^ENABLE_SPA_OVER_HTTP/]]],
  ['ENABLE_SPA_PACKET_AGING N', { max_age: 'any' }, [['weak', /packets of any age/]]],
  ['MAX_SPA_PACKET_AGE 30', { max_age: 30 }, []],
  ['MAX_SPA_PACKET_AGE 0', { max_age: 120 }, [['changed', /120 s are taken/]]],
  ['MAX_SPA_PACKET_AGE 100000', { max_age: 86_400 }, [['changed', /86400 s are taken/]]],
  ['ENABLE_NAT_DNS N', { nat_names: false }, []],
  ['ENABLE_DIGEST_PERSISTENCE N', {}, [['changed', /a packet that was used is refused/]]],
  ['ENABLE_DESTINATION_RULE Y', {}, [['changed', /^ENABLE_DESTINATION_RULE/]]],
  ['ENABLE_X_FORWARDED_FOR Y', {}, [['changed', /^ENABLE_X_FORWARDED_FOR/]]],
  ['ALLOW_ANY_USER_AGENT Y', {}, [['changed', /^ALLOW_ANY_USER_AGENT: a request by HTTP must/]]],
  ['ENABLE_PCAP_ANY_DIRECTION Y', {}, [['changed', /^ENABLE_PCAP_ANY_DIRECTION/]]],
  ['TCPSERV_PORT 62201', {}, [['no-meaning', /^TCPSERV_PORT: no TCP port is opened/]]],
  ['FLUSH_IPT_AT_EXIT Y', {}, [['no-meaning', /^FLUSH_IPT_AT_EXIT: what was granted ends on time/]]],
  ['PCAP_INTF eth0', {}, [['no-meaning', /^PCAP_INTF: packets are heard on every interface/]]],
];

for (const [daemon, settings, says] of SETTINGS) {
  test(`fwknopd.conf: ${daemon === '' ? 'nothing' : daemon.replace(/\n/g, '; ')}`, () => {
    const all = converted(SOUND, daemon);
    const told = all.notes.filter(({ fate }) => fate !== 'carried');
    for (const [key, value] of Object.entries(settings))
      assert.deepEqual((all.settings as Readonly<Record<string, unknown>>)[key], value, key);
    assert.deepEqual(
      told.map(({ fate }) => fate),
      says.map(([fate]) => fate),
      JSON.stringify(told),
    );
    says.forEach(([, pattern], i) => {
      assert.match(told[i]?.text ?? '', pattern);
    });
  });
}
