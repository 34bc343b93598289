import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '@postern/testkit/temporary';
import { changeSections, currentSections, isIncluded, type SshFiles, sshFiles } from './ssh-files.ts';

const SECTION = '# host web1\nMatch originalhost web1\n    HostName 192.0.2.1\n';
const OTHER = '# host db1\nMatch originalhost db1\n    HostName 192.0.2.2\n';

function files(text?: string, mode = 0o600): SshFiles {
  const directory = temporaryDirectory('postern-ssh-files-');
  const config = join(directory, 'config');
  if (text !== undefined) {
    writeFileSync(config, text, 'latin1');
    chmodSync(config, mode);
  }
  return sshFiles(config);
}

const put = (at: SshFiles, name = 'web1', text = SECTION) => changeSections(at, (all) => all.set(name, text));
const drop = (at: SshFiles, name = 'web1') => changeSections(at, (all) => all.delete(name));

test('a host comes and goes, and the configuration is as before, its mode too', async () => {
  const text = 'ServerAliveInterval 30\nHost \xe9 # latin1\n\tPort 22\r\n';
  for (const mode of [0o600, 0o644, 0o400]) {
    const at = files(text, mode);
    assert.equal((await put(at)).changed, true);
    assert.ok(readFileSync(at.config, 'latin1').endsWith(`\n\n${text}`));
    assert.equal(statSync(at.config).mode & 0o777, mode);
    assert.equal(statSync(at.own).mode & 0o777, 0o600);
    assert.ok(isIncluded(at));
    assert.deepEqual([...currentSections(at)], [['web1', SECTION]]);
    assert.equal((await put(at)).changed, false, 'once more changes nothing');
    await put(at, 'db1', OTHER);
    await drop(at);
    assert.deepEqual([...currentSections(at)], [['db1', OTHER]]);
    await drop(at, 'db1');
    assert.equal(readFileSync(at.config, 'latin1'), text);
    assert.equal(statSync(at.config).mode & 0o777, mode);
    assert.deepEqual(readdirSync(join(at.config, '..')), ['config']);
    assert.equal((await drop(at)).changed, false);
  }
});

test('a configuration that was not there is not there again', async () => {
  const at = files();
  await put(at);
  assert.equal(statSync(at.config).mode & 0o777, 0o600);
  await drop(at);
  assert.deepEqual(readdirSync(join(at.config, '..')), []);
});

test('a symbolic link stays one, and the file that it leads to is changed where it is', async () => {
  const at = files();
  const directory = join(at.config, '../dotfiles');
  mkdirSync(directory);
  writeFileSync(join(directory, 'ssh'), 'Host a\n', { mode: 0o640 });
  symlinkSync('dotfiles/ssh', at.config);
  await put(at);
  assert.ok(lstatSync(at.config).isSymbolicLink());
  assert.match(readFileSync(join(directory, 'ssh'), 'utf8'), /^# Postern.*\nInclude .*\n\nHost a\n$/);
  assert.equal(statSync(join(directory, 'ssh')).mode & 0o777, 0o640);
  await drop(at);
  assert.equal(readFileSync(join(directory, 'ssh'), 'utf8'), 'Host a\n');
});

test('what cannot be changed safely is refused before anything is changed', async () => {
  const refused = async (at: SshFiles, why: RegExp): Promise<void> => {
    const text = (): string | undefined =>
      statSync(at.config, { throwIfNoEntry: false })?.isFile() === true ? readFileSync(at.config, 'latin1') : undefined;
    const before = text();
    await assert.rejects(put(at), why);
    assert.equal(existsSync(at.own), false);
    assert.equal(text(), before);
  };
  await refused(files('Host a\n', 0o620), /can be changed by others \(mode 0620\), and ssh does not take it/);
  await refused(files('Host\0a\n'), /no text/);
  const below = files();
  writeFileSync(below.config, `Host a\nInclude ${below.own}\n`, { mode: 0o600 });
  await refused(below, /config:2: the line that includes .* stands below the Host or Match of line 1/);
  const dangling = files();
  symlinkSync('nowhere', dangling.config);
  await refused(dangling, /symbolic link to a file that is not there/);
  const exposed = files('Host a\n');
  chmodSync(join(exposed.config, '..'), 0o777);
  await refused(exposed, /can be changed by others/);
  const folder = files();
  mkdirSync(folder.config);
  await refused(folder, /is no file/);
});

test('what was done can be undone, unless somebody was there meanwhile', async () => {
  const at = files('Host a\n');
  const { undo } = await put(at);
  await undo();
  assert.equal(readFileSync(at.config, 'utf8'), 'Host a\n');
  assert.equal(existsSync(at.own), false);
  const again = await put(at);
  writeFileSync(at.config, 'Host b\n');
  await again.undo();
  assert.equal(readFileSync(at.config, 'utf8'), 'Host b\n');
});

test('changes at the same time lose none', async () => {
  const at = files('Host a\n');
  const names = Array.from({ length: 12 }, (_, i) => `host${i}`);
  await Promise.all(names.map((name) => put(at, name, `# host ${name}\nMatch originalhost ${name}\n`)));
  assert.deepEqual([...currentSections(at).keys()], [...names].sort());
});
