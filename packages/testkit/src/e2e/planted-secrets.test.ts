/**
 * Secrets are planted in a real gate and a real device, everything is done with them that a person does, and afterwards they are looked
 * for wherever they must not be.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { PROGRAMS } from '../gate-process.ts';
import { DEVICE, GATE, Household } from '../household.ts';
import { namespacesAvailable } from '../namespace.ts';
import { Recorder } from '../recorder.ts';
import { temporaryDirectory } from '../temporary.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';
const PASSPHRASE = 'throw-away passphrase of this test';

/** Throw-away keys of fwknop's format. */
const KEY = randomBytes(32);
const HMAC_KEY = randomBytes(64);

/** The forms in which bytes come into a text; 12 bytes of a secret are enough to know it again. */
function forms(bytes: Uint8Array): string[] {
  const buffer = Buffer.from(bytes);
  const base64 = [0, 1, 2].map((skipped) => buffer.subarray(skipped, skipped + 12).toString('base64'));
  const listed = [...buffer.subarray(0, 8)];
  return [
    buffer.subarray(0, 12).toString('hex'),
    ...base64.flatMap((text) => [text, text.replaceAll('+', '-').replaceAll('/', '_')]),
    listed.join(', '),
    listed.join(','),
    buffer.subarray(0, 12).toString('latin1'),
  ];
}

/** Every file below a directory, with its bytes as latin1. */
function filesBelow(directory: string): [string, string][] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => [path, readFileSync(path, 'latin1')]);
}

test(
  'planted secrets are found nowhere: history, logs, configuration, errors, command lines, environments, core files',
  { skip, timeout: 240_000 },
  async () => {
    await using house = await Household.build();
    const traces = temporaryDirectory('postern-traces-');
    const device = /^\d+: (v\w+)/m.exec(house.gateSide.run('ip', ['-o', 'link', 'show', 'type', 'veth']))?.[1] ?? '';
    await using recorder = await Recorder.start(house.gateSide, device);
    mkdirSync(house.home, { mode: 0o700 });
    const askpass = join(traces, 'askpass');
    writeFileSync(askpass, `#!/bin/sh\necho '${PASSPHRASE}'\n`, { mode: 0o700 });
    const places: [string, string][] = [];

    /** Runs a line as a person types it into an interactive bash, whose history is kept; every execve below it is on record. */
    const type = (side: 'gate' | 'world', line: string): string => {
      const number = String(places.length);
      const trace = join(traces, `execve-${number}`);
      const history = join(house.home, `history-${side}`);
      const home = { HOME: house.home, XDG_CONFIG_HOME: house.home, HISTFILE: history, POSTERN_DEBUG: '1' };
      const namespace = side === 'gate' ? house.gateSide : house.world;
      const functions = Object.entries(PROGRAMS).map(([name, words]) => `${name}() { ${words.join(' ')} "$@"; }; `);
      writeFileSync(join(traces, 'rc'), functions.join(''));
      const strace = ['strace', '-f', '-v', '-s', '100000', '-e', 'trace=execve,openat', '-o', trace];
      const typed = ['script', '-qec', `bash --noprofile --rcfile ${join(traces, 'rc')} -i`, '/dev/null'];
      const ran = spawnSync('ip', ['netns', 'exec', namespace.name, ...strace, ...typed], {
        encoding: 'utf8',
        input: `set -o history; stty -echo; ${line}\nexit\n`,
        env: { PATH: process.env['PATH'], TMPDIR: process.env['TMPDIR'], POSTERN_ASKPASS: askpass, ...home },
        timeout: 30_000,
      });
      places.push([`what \`${line}\` printed`, ran.stdout + ran.stderr]);
      places.push([`what \`${line}\` executed and opened`, readFileSync(trace, 'latin1')]);
      return ran.stdout;
    };

    const config = `--config ${house.gate.config}`;
    const inviteFile = join(house.home, 'alice.invite');
    type('gate', `posternd user add alice --file ${inviteFile} ${config}`);
    const invite = readFileSync(inviteFile, 'utf8').trim();
    assert.match(invite, /^postern-invite-1-/);
    assert.match(type('world', `postern join --file ${inviteFile} --name demo --verbose --passphrase`), /demo/);
    const hostFile = join(house.home, 'postern/hosts/demo.json');
    type('world', 'postern knock demo --verbose');
    type('world', 'postern knock demo --json');
    type('world', 'postern knock demo nothing --json');
    type('world', 'postern knock dmeo');
    type('world', 'postern hosts --json');
    // A second device, without a passphrase, by standard input; and an invite that was used.
    const secondFile = join(house.home, 'second.invite');
    type('gate', `posternd invite alice --file ${secondFile} ${config}`);
    const second = readFileSync(secondFile, 'utf8').trim();
    type('world', `postern join --name second - < ${secondFile}`);
    type('world', `postern join --file ${inviteFile} --name third`);
    for (const line of ['status --json', 'device list --json', 'grant list', 'check --json', 'user list'])
      type('gate', `posternd ${line} ${config}`);
    const revoked = house.gate.json('device', 'list') as { devices: { id: string }[] };
    type('gate', `posternd device revoke ${revoked.devices[1]?.id ?? ''} ${config}`);
    type('world', 'postern knock demo --verbose');
    type('world', 'postern passphrase demo --remove');
    const open = JSON.parse(readFileSync(hostFile, 'utf8')) as { seed: string; memory: { gateKey: string } };
    type('world', 'postern passphrase demo');
    type('world', 'postern knock demo');
    // The same with fwknop's keys: its configuration looked at and taken over, its client's as ours reads it, errors in both.
    const fwknop = { directory: join(house.gate.directory, 'fwknop'), rc: join(house.home, '.fwknoprc') };
    const access = `SOURCE ANY\nKEY_BASE64 ${KEY.toString('base64')}\nHMAC_KEY_BASE64 ${HMAC_KEY.toString('base64')}\n`;
    mkdirSync(fwknop.directory);
    writeFileSync(join(fwknop.directory, 'fwknopd.conf'), 'PCAP_INTF eth0;\n');
    writeFileSync(join(fwknop.directory, 'access.conf'), `${access}OPEN_PORTS tcp/22\n`, { mode: 0o600 });
    const keys64 = `KEY_BASE64 ${KEY.toString('base64')}\nHMAC_KEY_BASE64 ${HMAC_KEY.toString('base64')}\n`;
    const stanza = `[demo]\nSPA_SERVER ${GATE[4]}\nACCESS tcp/22\nALLOW_IP ${DEVICE[4]}\n${keys64}`;
    writeFileSync(fwknop.rc, `${stanza}[wrong]\nKEY ${PASSPHRASE}\nHMAC_KEY_BASE64 !${HMAC_KEY.toString('base64')}\n`, {
      mode: 0o600,
    });
    for (const line of ['', '--json', '--write'])
      type('gate', `posternd import fwknop ${fwknop.directory} ${line} ${config}`);
    for (const line of ['reload', 'check', 'doctor --json', 'status --json'])
      type('gate', `posternd ${line} ${config}`);
    for (const line of ['-n demo -v', '-n demo --test --verbose', '-n wrong -D 127.0.0.1', '--stanza-list --json'])
      type('world', `postern fwknop ${line}`);
    type('world', 'postern import fwknoprc');
    type('gate', `posternd grant list --json ${config}`);
    writeFileSync(join(fwknop.directory, 'access.conf'), access.replace('HMAC_KEY_BASE64 ', 'HMAC_KEY_BASE64 !'));
    type('gate', `posternd import fwknop ${fwknop.directory} ${config}`);
    // A broken key file and a broken host file are told of, not shown.
    const keyFile = join(house.gate.directory, 'gate.key');
    const keys = readFileSync(keyFile, 'utf8');
    writeFileSync(keyFile, keys.replace(/.(?=[^\n]{5}\n)/, '!'));
    type('gate', `posternd check ${config}`);
    process.kill(house.gate.pid, 'SIGHUP');
    await setTimeout(500);
    writeFileSync(keyFile, keys);

    const secrets = new Map<string, Uint8Array>();
    for (const [, name = '', value = ''] of keys.matchAll(/^(\w+)\s*=\s*"([A-Za-z0-9+/=]{40,})"/gm))
      secrets.set(`gate.key: ${name}`, new Uint8Array(Buffer.from(value, 'base64')));
    assert.ok(secrets.size >= 3, [...secrets.keys()].join(', '));
    secrets.set("the device's seed", new Uint8Array(Buffer.from(open.seed, 'hex')));
    secrets.set('the gate key at the device', new Uint8Array(Buffer.from(open.memory.gateKey, 'hex')));
    secrets.set('the passphrase', Buffer.from(PASSPHRASE));
    secrets.set("fwknop's key", KEY);
    secrets.set("fwknop's HMAC key", HMAC_KEY);
    assert.match(house.gate.log, /opened stanza=/);
    for (const [name, text] of [
      ['the invite', invite],
      ['the second invite', second],
    ] as const)
      secrets.set(name, Buffer.from(text.slice('postern-invite-1-'.length + 30)));
    const packets = recorder.packets.filter(({ protocol, direction }) => protocol === 17 && direction === 'in');
    assert.ok(packets.length >= 6, `${String(packets.length)} packets`);
    for (const [index, { bytes, family }] of packets.entries())
      secrets.set(`packet ${String(index)}`, bytes.subarray(family === 4 ? 28 : 48));

    places.push(['the log of the daemon', house.gate.log]);
    // Everything that was written but the files that are made to hold keys.
    const holders = new Set([
      keyFile,
      inviteFile,
      secondFile,
      askpass,
      fwknop.rc,
      join(fwknop.directory, 'access.conf'),
      join(house.gate.directory, 'fwknop.keys'),
      ...['second', 'third'].map((name) => join(house.home, `postern/hosts/${name}.json`)),
    ]);
    for (const directory of [house.gate.directory, house.gate.runtime, house.home])
      for (const [path, text] of filesBelow(directory)) if (!holders.has(path)) places.push([path, text]);
    for (const path of holders) {
      assert.equal(statSync(path).mode & 0o077, 0, `${path} is private`);
    }
    assert.ok(
      places.some(([place]) => place.endsWith('history-world')),
      'there is a history',
    );
    assert.ok(
      places.some(([place]) => place.endsWith('demo.json')),
      'the sealed file is looked into as well',
    );

    const found: string[] = [];
    for (const [secret, bytes] of secrets) {
      for (const form of forms(bytes))
        for (const [place, text] of places) if (text.includes(form)) found.push(`${secret} in ${place}`);
    }
    assert.deepEqual(found, []);
    // The test can fail: what is in its place is found.
    const [name = '', bytes = new Uint8Array(32)] = [...secrets][0] ?? [];
    assert.ok(
      forms(bytes).some((form) => keys.includes(form)),
      name,
    );
  },
);

test(
  'no core file is written of the daemon: not of the monitor, not of the sentry',
  { skip, timeout: 60_000 },
  async () => {
    await using house = await Household.build();
    for (const pid of [house.gate.pid, ...house.gate.sentryPids()]) {
      // A process that may not be dumped belongs to root here, whoever runs it (proc_pid(5)); the kernel tells of it in no other place.
      const { uid } = statSync(`/proc/${String(pid)}/environ`);
      assert.equal(uid, 0);
      const probe = spawnSync('setpriv', ['--bounding-set=-all', '--', 'cat', `/proc/${String(pid)}/maps`]);
      assert.notEqual(probe.status, 0, 'only who may trace everybody looks into it');
    }
  },
);
