/** What a stanza of an access.conf runs: commands of clients, and commands of its own in place of a grant. */
import { splitCommand } from '../knockd/command.ts';
import { MOST_SECONDS, SYSTEM_USER, type CycleTable, type StanzaTable } from './schema.ts';
import type { Taking } from './taking.ts';

/** fwknop's names in the commands of a cycle, and ours. The longest come first, as each begins like none after it. */
const PLACEHOLDERS: Readonly<Record<string, string>> = {
  CLIENT_TIMEOUT: '{client_timeout}',
  PKT_SRC: '{packet_source}',
  TIMEOUT: '{timeout}',
  PROTO: '{protocol}',
  PORT: '{port}',
  SRC: '{source}',
  DST: '{destination}',
  IP: '{source}',
};
const NAMES = new RegExp(`\\$(${Object.keys(PLACEHOLDERS).join('|')})`, 'g');
const OURS = /\{(?:source|packet_source|destination|port|protocol|timeout|client_timeout)\}/;

/** What runs commands, and as whom. */
export function convertCommands(taking: Taking, anySource: boolean): Pick<StanzaTable, 'command_user' | 'cycle'> {
  const cycle = cycleOf(taking);
  if (!taking.takeYes('ENABLE_CMD_EXEC')) {
    for (const name of ['ENABLE_CMD_SUDO_EXEC', 'CMD_EXEC_GROUP', 'CMD_SUDO_EXEC_USER', 'CMD_SUDO_EXEC_GROUP'])
      if (taking.has(name)) taking.note('no-meaning', name, 'ENABLE_CMD_EXEC is not Y');
    return cycle === undefined ? {} : { cycle };
  }
  const user = userOf(taking, 'CMD_EXEC_USER') ?? 'root';
  if (taking.has('CMD_EXEC_GROUP'))
    taking.note('changed', 'CMD_EXEC_GROUP', `commands run with the groups of ${user}, and no other`);
  if (user === 'root') {
    const mend = ['CMD_EXEC_USER nobody;  # or another user, where that is enough'];
    taking.note('weak', 'ENABLE_CMD_EXEC', 'whoever has its keys runs any command as root', mend);
  }
  if (anySource) {
    const mend = ['SOURCE with the addresses of its clients'];
    taking.note('weak', 'ENABLE_CMD_EXEC', 'its commands may come from anywhere', mend);
  }
  taking.note('changed', 'ENABLE_CMD_EXEC', 'a command may take 10 s: `time_limit` in a native stanza');
  refuseSudo(taking);
  return {
    command_user: user,
    ...(cycle === undefined ? {} : { cycle }),
  };
}

function userOf(taking: Taking, name: string): string | undefined {
  const variable = taking.take(name);
  if (variable !== undefined && !SYSTEM_USER.test(variable.value))
    taking.note('refused', name, 'the name of a system user is expected');
  return variable?.value;
}

/** Commands run without a way to new privileges, so that sudo would fail; and to run them as root instead would pass by what sudoers permits. */
function refuseSudo(taking: Taking): void {
  if (!taking.takeYes('ENABLE_CMD_SUDO_EXEC')) return;
  const user = userOf(taking, 'CMD_SUDO_EXEC_USER') ?? 'root';
  userOf(taking, 'CMD_SUDO_EXEC_GROUP');
  const mend = [
    `CMD_EXEC_USER ${user};  # in place of ENABLE_CMD_SUDO_EXEC, if its clients may run anything as ${user}`,
  ];
  taking.note('refused', 'ENABLE_CMD_SUDO_EXEC', 'commands run without new privileges, so that sudo fails', mend);
}

function cycleOf(taking: Taking): CycleTable | undefined {
  const [openAt, closeAt] = [taking.take('CMD_CYCLE_OPEN'), taking.take('CMD_CYCLE_CLOSE')];
  const timer = taking.take('CMD_CYCLE_TIMER');
  if (openAt === undefined) {
    if (closeAt !== undefined)
      taking.note('refused', 'CMD_CYCLE_CLOSE', 'CMD_CYCLE_OPEN is missing, which fwknopd refuses, too');
    return undefined;
  }
  if (closeAt === undefined) {
    taking.note('refused', 'CMD_CYCLE_OPEN', 'CMD_CYCLE_CLOSE is missing, which fwknopd refuses, too', [
      'CMD_CYCLE_CLOSE NONE;  # runs nothing at the end',
    ]);
    return undefined;
  }
  const closes = !/^none$/i.test(closeAt.value);
  const closeAfter = Number(/^[0-9]{1,9}$/.exec(timer?.value ?? '')?.[0] ?? 0);
  if (closes && (closeAfter < 1 || closeAfter > MOST_SECONDS)) {
    const name = timer === undefined ? 'CMD_CYCLE_OPEN' : 'CMD_CYCLE_TIMER';
    taking.note('refused', name, `CMD_CYCLE_TIMER must be 1 to ${MOST_SECONDS} seconds`);
  }
  const open = argumentsOf(taking, 'CMD_CYCLE_OPEN', openAt.value);
  const close = closes ? argumentsOf(taking, 'CMD_CYCLE_CLOSE', closeAt.value) : undefined;
  if (taking.refused || open === undefined || (closes && close === undefined)) return undefined;
  const text = 'its commands run as root, as with fwknop';
  taking.note('weak', 'CMD_CYCLE_OPEN', text, ['user = "nobody"  # in `cycle`, or another user, where that is enough']);
  return { open, ...(close === undefined ? {} : { close, close_after: closeAfter }), user: 'root' };
}

/** A command as its arguments: fwknop runs it without a shell, too, and hands to the program whatever a shell would have made something of. */
function argumentsOf(taking: Taking, name: string, text: string): readonly string[] | undefined {
  if (OURS.test(text)) {
    taking.note('refused', name, 'it has a text in braces that means something here');
    return undefined;
  }
  const split = splitCommand(text.replace(NAMES, (_whole, found: string) => PLACEHOLDERS[found] ?? ''));
  if ('needs' in split) {
    const script = `/etc/postern/fwknop/${name.toLowerCase()}`;
    const mend = [
      `# ${script}, mode 0755, owner root, with #!/bin/sh as its first line: the command, with "$1" for the address`,
      `${name} ${script} $IP;`,
    ];
    taking.note(
      'refused',
      name,
      `it needs a shell, for ${split.needs}; commands are run without one, by fwknopd, too`,
      mend,
    );
    return undefined;
  }
  if (split.words[0]?.startsWith('/') !== true) {
    taking.note('refused', name, 'the program must be named by an absolute path');
    return undefined;
  }
  return split.words;
}
