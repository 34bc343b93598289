import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import type { ServiceName } from '@postern/protocol';
import { temporaryDirectory } from '@postern/testkit/temporary';
import { describeSection, isCalledWith, readSections, sectionOf, type SshHost, writeSections } from './ssh-config.ts';
import { parseSshConfig } from './ssh.ts';

const HOST: SshHost = {
  name: 'web1',
  names: ['web1', 'web1.example.com', '192.0.2.1', '2001:db8::1'],
  mode: 'match-exec',
  program: ['/usr/bin/postern'],
  configuration: [],
  service: 'ssh' as ServiceName,
  timeout: 5,
  family: undefined,
  address: undefined,
  user: undefined,
  port: undefined,
};
const ADDRESS = { hostName: '192.0.2.1', names: ['web1'], keyAlias: 'web1' };

test('a section says what it does', () => {
  assert.equal(
    sectionOf({ ...HOST, user: 'admin', port: 2222, address: { ...ADDRESS, keyAlias: '[web1]:2222' } }),
    `# host web1
Match !canonical originalhost web1,web1.example.com,192.0.2.1,2001:db8::1 !exec "/usr/bin/postern knock --for-ssh --timeout 5 web1 ssh"
    # no answer: ssh tries all the same, but not for long
    ConnectTimeout 5
Match originalhost web1,web1.example.com,192.0.2.1,2001:db8::1
    User admin
    Port 2222
Match originalhost web1
    HostName 192.0.2.1
    HostKeyAlias [web1]:2222
`,
  );
  assert.equal(
    sectionOf({ ...HOST, names: ['web1'], mode: 'proxy-command', family: 6, configuration: ['--config', '/x y'] }),
    `# host web1
Match originalhost web1
    ProxyCommand /usr/bin/postern ssh-proxy --config '/x y' -6 --timeout 5 web1 ssh %p
    ConnectTimeout 20
    AddressFamily inet6
`,
  );
});

test('sections come back from the file, and tell how they were made', () => {
  const web1 = sectionOf({ ...HOST, configuration: ['--config', '/x y'] });
  const db1 = sectionOf({ ...HOST, name: 'db1', names: ['db1'], mode: 'proxy-command' });
  const text =
    writeSections(
      new Map([
        ['web1', web1],
        ['db1', db1],
      ]),
    ) ?? '';
  assert.deepEqual(
    [...readSections(text)],
    [
      ['db1', db1],
      ['web1', web1],
    ],
  );
  assert.equal(writeSections(readSections(text)), text);
  assert.equal(writeSections(new Map()), undefined);
  assert.deepEqual(describeSection(web1), { mode: 'match-exec', names: HOST.names });
  assert.deepEqual(describeSection(db1), { mode: 'proxy-command', names: ['db1'] });
  assert.ok(
    isCalledWith(web1, ['--config', '/x y']) && !isCalledWith(web1, []) && !isCalledWith(db1, ['--config', '/z']),
  );
  assert.ok(isCalledWith(db1, []));
});

test('what ssh’s configuration cannot carry is refused', () => {
  for (const path of ['/a"b', "/a'b", '/a\\b', '/a\nb']) {
    assert.throws(() => sectionOf({ ...HOST, program: [path] }), /cannot stand in ssh's configuration/, path);
  }
});

/** A program in a path that shells and ssh could stumble over; it writes down how it was called. */
function oddProgram(directory: string, code: number): string {
  const odd = join(directory, '100% $HOME `x` #!&;*~ ü');
  mkdirSync(odd);
  const path = join(odd, 'postern');
  writeFileSync(path, `#!/bin/sh\nfor word; do echo "$word"; done >'${directory}/called'\nexit ${code}\n`);
  chmodSync(path, 0o755);
  return path;
}

const SHELLS = ['/bin/sh', '/bin/bash', '/usr/bin/zsh', '/usr/bin/fish'];
const noSsh = ((): string | false => {
  try {
    execFileSync('ssh', ['-V'], { stdio: 'ignore' });
    return false;
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    return 'SKIPPED: there is no ssh here';
  }
})();

/** What the real ssh makes of a section, in somebody's shell; and how it called the program, one word a line. */
async function askedOfSsh(
  shell: string,
  host: Partial<SshHost>,
  code: number,
): Promise<{ config: ReturnType<typeof parseSshConfig>; timeout: string; proxy: string; called: string }> {
  const directory = temporaryDirectory('postern-ssh-shell-');
  const program = [oddProgram(directory, code)];
  const file = join(directory, 'config');
  writeFileSync(file, sectionOf({ ...HOST, configuration: ['--config', '/a $b%c'], ...host, program }), {
    mode: 0o600,
  });
  const output = await new Promise<string>((resolve, reject) => {
    const env = { ...process.env, SHELL: shell };
    execFile('ssh', ['-G', '-F', file, 'web1'], { env }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(stderr));
    });
  });
  const called = join(directory, 'called');
  return {
    config: parseSshConfig(output),
    timeout: /^connecttimeout (.*)$/m.exec(output)?.[1] ?? '',
    proxy: /^proxycommand (.*)$/m.exec(output)?.[1] ?? '',
    called: existsSync(called) ? readFileSync(called, 'utf8') : '',
  };
}

test(
  'the real ssh runs the command in every shell, word for word, and a knock in vain bounds its wait',
  { skip: noSsh },
  async () => {
    const words = ['knock', '--for-ssh', '--config', '/a $b%c', '--timeout', '5', 'web1', 'ssh', ''].join('\n');
    for (const shell of SHELLS.filter((path) => existsSync(path))) {
      const answered = await askedOfSsh(shell, { address: ADDRESS }, 0);
      assert.equal(answered.called, words, shell);
      assert.deepEqual([answered.timeout, answered.config?.hostName], ['none', '192.0.2.1']);
      const silent = await askedOfSsh(shell, { address: ADDRESS }, 3);
      assert.equal(silent.called, words, shell);
      assert.deepEqual([silent.timeout, silent.config?.hostName], ['5', '192.0.2.1']);
    }
  },
);

test('a ProxyCommand is ours, and ssh does not run it to tell of it', { skip: noSsh }, async () => {
  const { config, proxy, called } = await askedOfSsh('/bin/sh', { mode: 'proxy-command' }, 0);
  assert.deepEqual([config?.ourProxy, config?.proxy, called], [true, undefined, '']);
  assert.match(proxy, / ssh-proxy --config '\/a \$b%%c' --timeout 5 web1 ssh %p$/);
});
