import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import process from 'node:process';
import fc from 'fast-check';
import { SSH_OPTIONS } from './options.ts';
import { parseSshLine } from './ssh-arguments.ts';
import { parseSshConfig, sshWords } from './ssh.ts';
import { address } from './testdata/world.ts';

const GATE = address('203.0.113.9');
const parse = (...words: string[]): ReturnType<typeof parseSshLine> => parseSshLine(words, SSH_OPTIONS);

test('our options come first, all of ssh are passed on, before and after the host', () => {
  const line = parse(
    '--service',
    'ssh2',
    '--single-use',
    '-p',
    '2222',
    '-vNL8080:localhost:80',
    'me@web1',
    '-t',
    '-o',
    'X=y',
    'uptime',
    '-p',
    '-4',
  );
  assert.deepEqual(line.values, { service: 'ssh2' });
  assert.deepEqual([...line.flags], ['single-use']);
  assert.equal(line.destination, 'me@web1');
  assert.equal(line.host, 'web1');
  assert.deepEqual(line.options, ['-p', '2222', '-vNL8080:localhost:80', '-t', '-o', 'X=y']);
  assert.deepEqual(line.command, ['uptime', '-p', '-4'], 'what follows the command belongs to it');
  assert.equal(line.family, undefined);
});

test('-4 and -6 are understood, alone and in a word with others', () => {
  assert.equal(parse('-4', 'web1').family, 4);
  assert.equal(parse('web1', '-6').family, 6);
  const line = parse('-v4p', '22', 'web1');
  assert.equal(line.family, 4);
  assert.deepEqual(line.options, ['-vp', '22']);
  assert.equal(parse('-o', '-4', 'web1').family, undefined, 'a value is no option');
});

test('destinations are read in every form that ssh takes', () => {
  assert.equal(parse('a@b@web1').host, 'web1');
  assert.equal(parse('ssh://me@web1:2222').host, 'web1');
  assert.equal(parse('ssh://web1').host, 'web1');
  assert.equal(parse('--', 'web1', '-x').host, 'web1');
  assert.deepEqual(parse('--', 'web1', '-x').command, ['-x']);
  assert.equal(parse('-v').host, undefined);
});

test('what does not connect needs no knock', () => {
  for (const words of [['-V'], ['-G', 'web1'], ['-Q', 'cipher'], ['-O', 'check', 'web1']]) {
    assert.ok(parse(...words).offline, words.join(' '));
  }
  assert.ok(!parse('-o', 'V', 'web1').offline);
});

test('an option of ours that does not exist is an error, after the host it is ssh’s matter', () => {
  assert.throws(() => parse('--servise', 'x', 'web1'), /not an option of `postern ssh`/);
  assert.throws(() => parse('--service'), /needs a value \(SERVICE\)/);
});

test('options, destination and command come out as they went in, in their order', () => {
  const option = fc.constantFrom(
    ['-v'],
    ['-p22'],
    ['-p', '22'],
    ['-o', 'X=y'],
    ['-NTL', '1:a:2'],
    ['-vo', '-6'],
    ['-l', '--x'],
  );
  const options = fc.array(option).map((all) => all.flat());
  const command = fc.tuple(
    fc.constantFrom('ls', 'a b', '-'),
    fc.array(fc.constantFrom('-v', '--json', '-4', '$(id)', '--', '')),
  );
  fc.assert(
    fc.property(options, options, fc.option(command), (before, after, typed) => {
      const words = typed === null ? [] : [typed[0], ...typed[1]];
      const line = parse(...before, 'me@web1', ...after, ...words);
      assert.deepEqual(line.options, [...before, ...after]);
      assert.equal(line.destination, 'me@web1');
      assert.deepEqual(line.command, words);
    }),
  );
});

test('ssh goes to the very address, and looks the key up under the name that it would have used', () => {
  const config = { hostName: 'web1.example.com', port: 22, hostKeyAlias: undefined, proxy: undefined, ourProxy: false };
  const line = parse('-t', 'me@web1', 'uptime');
  assert.deepEqual(sshWords(line, { address: GATE, config }), [
    ...['-4', '-o', 'HostName=203.0.113.9', '-o', 'HostKeyAlias=web1.example.com'],
    ...['-t', '--', 'me@web1', 'uptime'],
  ]);
  const onPort = sshWords(line, { address: address('2001:db8::1'), config: { ...config, port: 2222 } });
  assert.deepEqual(onPort.slice(0, 5), [
    '-6',
    '-o',
    'HostName=2001:db8::1',
    '-o',
    'HostKeyAlias=[web1.example.com]:2222',
  ]);
});

test('a HostKeyAlias of the owner stands, and an address that ssh would use anyway needs nothing', () => {
  const config = { hostName: 'web1.example.com', port: 22, hostKeyAlias: 'mine', proxy: undefined, ourProxy: false };
  const line = parse('web1');
  assert.ok(!sshWords(line, { address: GATE, config }).join(' ').includes('HostKeyAlias'));
  assert.deepEqual(sshWords(line, { address: GATE, config: { ...config, hostName: '203.0.113.9' } }), [
    '-4',
    '--',
    'web1',
  ]);
});

test('without ssh’s configuration the typed name is the key’s', () => {
  const words = sshWords(parse('me@web1'), { address: GATE, config: undefined });
  assert.ok(words.includes('HostKeyAlias=web1'));
});

test('ssh -G of the ssh that is here is understood', (context) => {
  let output = '';
  try {
    output = execFileSync(
      'ssh',
      ['-F', 'none', '-G', '-p', '2222', '-o', 'HostKeyAlias=mine', '-J', 'jump', 'me@web1'],
      { encoding: 'utf8', stdio: 'pipe' },
    );
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    context.skip('SKIPPED: there is no ssh here');
    return;
  }
  assert.deepEqual(parseSshConfig(output), {
    hostName: 'web1',
    port: 2222,
    hostKeyAlias: 'mine',
    proxy: 'jump',
    ourProxy: false,
  });
});
