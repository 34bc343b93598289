/** The commands of `postern` as data; what they do is loaded when it is asked for. */
import { type Argument, completionCommand, type Option, type Program } from '@postern/terminal';
import { FWKNOP_OPTIONS } from './fwknop/options.ts';
import {
  CONFIG,
  IPV4,
  IPV6,
  JSON_OUTPUT,
  QUIET,
  SECONDS,
  SINGLE_USE,
  SOURCE,
  SSH_OPTIONS,
  TIMEOUT,
  VERBOSE,
} from './options.ts';

const HOST: Argument = {
  name: 'host',
  help: 'a host that was joined (`postern hosts` lists them)',
  offer: { command: 'hosts', column: 1 },
};
const SERVICE = {
  name: 'service',
  help: 'what to open; by default the first service that the invite named',
  optional: true,
} as const;
const WAY: readonly Option[] = [TIMEOUT, IPV4, IPV6, QUIET, VERBOSE];

/** The program. */
export const program: Program = {
  name: 'postern',
  version: '0.1.0',
  summary: 'one packet opens a hidden service for you',
  description: [
    'A gate (a host with `posternd`) hides its services from everybody. This program proves with one packet that this device may come in; the gate opens the service for this device alone, for a short time, and answers with a receipt.',
    'Whoever a gate does not know gets no answer at all; so no answer can mean many things, and the message lists them.',
  ],
  options: [CONFIG],
  commands: [
    {
      name: 'join',
      summary: 'enrol this device with an invite',
      description: [
        'Makes a key on this device, shows its public half to the gate with the invite, waits for the receipt and keeps the host. The private key never leaves this device. An invite is good for one device; joining again with the same invite after an interruption goes on where it stopped.',
        'An invite on the command line can be seen by other users of this device (`ps`) and stays in the history of the shell. Without one, it is asked for, or read from standard input.',
      ],
      arguments: [{ name: 'invite', help: 'the invite, `postern-invite-…`; `-` reads standard input', optional: true }],
      options: [
        { name: 'name', value: 'HOST', help: "what to call the host here; by default the gate's own name" },
        { name: 'file', value: 'FILE', help: 'read the invite from a file' },
        { name: 'passphrase', help: "ask for a passphrase that keeps this device's key (see `postern passphrase`)" },
        ...WAY,
        JSON_OUTPUT,
      ],
      examples: [
        { line: 'postern join', does: 'asks for the invite, without showing it' },
        {
          line: 'postern join --name web1 --file invite.txt',
          does: 'reads the invite from a file and calls the host web1',
        },
        { line: 'ssh admin@web1 posternd invite me | postern join -', does: 'reads it from standard input' },
        { line: 'postern join --name web1', does: 'asks again where the receipt of an earlier try never came' },
      ],
      run: async (parsed, io) => (await import('./commands/join.ts')).runJoin(parsed, io),
    },
    {
      name: 'knock',
      summary: 'open a service for this device',
      description: [
        "Opens the service for this device's address and waits for the receipt, trying again on silence with a fresh packet each time. Connections that exist when the time ends live on.",
        'Where the host has IPv4 and IPv6 addresses and this device both, the service is opened for both, as whatever connects next may use either; one of them is enough for success.',
        'With --keyed it knocks at ports instead, for networks that let nothing else through: up to 64 packets, udp and then tcp, to ports that only this device and the gate know for 30 seconds. There is no receipt; --check tries whether a TCP port answers (which uses up a service for one connection). A slot of 30 seconds opens once, so this is for one address family. --print lists the numbers instead of sending them, for whatever sends a packet to a port (`nc`, `curl`, a router) or the number in an echo request (`ping -s 2 -p`).',
        'With --sequence or --door it knocks the sequence of a classic door, at any host: none need be joined. What the command line says is seen by `ps` and kept by the shell; --door reads the sequence from `doors.json` in the directory of this program, a file like {"front": "tcp/7000,udp/8000"}.',
        'Exit codes: 0 opened (or sent, where there is no receipt), 1 failed, 2 not understood, 3 no answer, 4 not permitted, 5 a file of this program is missing, damaged or readable by others.',
      ],
      arguments: [{ ...HOST, help: `${HOST.help}; with --sequence and --door any host` }, SERVICE],
      options: [
        ...[SOURCE, SECONDS, SINGLE_USE],
        { name: 'extend', help: 'only prolong what is open for this device' },
        {
          name: 'for-ssh',
          help: 'as ssh calls it (see `postern ssh-config`): one line when it fails, nothing where ssh does not connect',
        },
        { name: 'keyed', help: 'knock at ports, with the key of this device' },
        {
          name: 'print',
          help: 'list the ports of a keyed knock instead of knocking: they are secret for up to a minute',
        },
        {
          name: 'protocol',
          value: 'WHICH',
          help: 'packets of a keyed knock: `udp`, `tcp` or `both` (default)',
          offer: ['udp', 'tcp', 'both'],
        },
        {
          name: 'sequence',
          value: 'STEPS',
          help: 'knock at a classic door: `tcp/N`, `udp/N`, `icmp`, `icmpv6`, parted by commas; `-` reads standard input',
        },
        { name: 'door', value: 'NAME', help: 'the same, with the sequence of that name in `doors.json`' },
        { name: 'delay', value: 'MS', help: 'milliseconds between the knocks of a sequence; 200 by default' },
        {
          name: 'check',
          value: 'PORT',
          help: 'after knocking at ports: connect until this one (`tcp/22`) answers, for 5 seconds or --timeout',
        },
        ...[...WAY, JSON_OUTPUT],
      ],
      examples: [
        { line: 'postern knock web1', does: 'opens the default service of web1' },
        { line: 'postern knock web1 imap --seconds 300', does: 'opens imap for five minutes' },
        { line: 'postern knock web1 --quiet && rsync -a site/ web1:/srv/site/', does: 'knocks in a script' },
        { line: 'postern knock --keyed web1 --check tcp/22', does: 'knocks at ports, and looks whether ssh answers' },
        {
          line: 'for port in $(postern knock --print web1); do echo > /dev/udp/192.0.2.1/$port; done',
          does: 'lets the shell knock',
        },
        {
          line: 'postern knock --door front gate.example.com',
          does: 'knocks the sequence that doors.json has as front',
        },
      ],
      run: async (parsed, io) => (await import('./commands/knock.ts')).runKnock(parsed, io),
    },
    {
      name: 'knockd-knock',
      summary: "knock as knockd's `knock` does",
      description: [
        'For `alias knock="postern knockd-knock"`: the options of `knock`, which stand anywhere: -u (all knocks by udp), -d MS (milliseconds between two), -4, -6, -v (a line for each), -V. TCP is a connection that is given up at once, UDP a datagram of one byte. The name is resolved once. Exit code 0 sent, 1 anything else.',
        'For a new door rather use `postern knock --door`, which keeps the sequence out of the history of the shell.',
      ],
      arguments: [{ name: 'words', help: '[-u] [-d MS] [-4] [-6] [-v] [-V] HOST PORT[:tcp|:udp] …', rest: true }],
      options: [],
      examples: [
        { line: 'postern knockd-knock gate.example.com 7000 8000:udp 9000', does: 'a TCP, a UDP and a TCP packet' },
        { line: 'postern knockd-knock -v -d 500 -u 192.0.2.1 7000 8000', does: 'two UDP packets, half a second apart' },
      ],
      run: async (parsed, io) => (await import('./commands/knockd-knock.ts')).runKnockdKnock(parsed, io),
    },
    {
      name: 'fwknop',
      summary: "open with fwknop's packets, as its client does",
      description: [
        'For `alias fwknop="postern fwknop"`: the options of the client of fwknop 2.6.10 and its `~/.fwknoprc`, for a server that runs fwknopd, or posternd with stanzas of fwknop. Long options may be cut short where that is clear, values stand behind or in the same word, and of an option that comes twice the last one counts. Nothing is printed where it goes well: there is no receipt.',
        'Keys are read from the stanza (-n), a file (-G), standard input (--stdin) or the terminal. On the command line they are taken too, and `ps` and the history of the shell show them. No command line is ever kept. A `~/.fwknoprc` with keys that others could read is refused.',
        'Where the client of fwknop sends what its server drops (a user name over 48 characters, a packet of 400 and more, a time over 65536 seconds) this one says so and sends nothing. --test shows what is in the packet.',
        'Native packets do more: they are for one gate and one device, cannot be used again however they are changed, and are answered with a receipt. `postern import fwknoprc` says how to get there.',
      ],
      readsWords: true,
      options: FWKNOP_OPTIONS,
      examples: [
        { line: 'postern fwknop -n web1', does: 'sends what the stanza [web1] of ~/.fwknoprc says' },
        { line: 'postern fwknop -A tcp/22 -R -D gate.example.com -n keys -f 60', does: 'opens ssh for a minute' },
        { line: 'postern fwknop -n web1 --test -v', does: 'shows the packet and sends nothing' },
        {
          line: 'postern fwknop --key-gen --save-rc-stanza -n web1 -D gate.example.com -A tcp/22 --allow-ip resolve --use-hmac',
          does: 'makes keys and a stanza with them',
        },
        { line: 'postern fwknop -n web1 --show-qr', does: "hands the keys to an app of fwknop's" },
      ],
      run: async (parsed, io) => (await import('./commands/fwknop.ts')).runFwknop(parsed, io),
    },
    {
      name: 'import fwknoprc',
      summary: "say what the stanzas of fwknop's client are, and how to replace them",
      description: [
        "Tells of each stanza what it opens and what is weak in it, and the commands that take its place once the gate's admin has made an invite. It changes nothing.",
        'With --qr-text it reads the keys that an app of fwknop shows as a QR code, or that `fwknop --key-gen` prints, and keeps them as a stanza of ~/.fwknoprc.',
        'Exit codes: 0 read, 5 the file is missing, wrong, or readable by others.',
      ],
      arguments: [{ name: 'file', help: 'the file; ~/.fwknoprc if not given', optional: true }],
      options: [
        {
          name: 'qr-text',
          value: 'FROM',
          help: 'read `KEY_BASE64:… HMAC_KEY_BASE64:…` from a file, or with `-` from standard input; keep it as a stanza',
          offer: 'files',
        },
        { name: 'name', value: 'STANZA', help: 'with --qr-text: what to call it' },
        { name: 'server', value: 'HOST', help: 'with --qr-text: the server, which a QR code does not name' },
        { name: 'access', value: 'PORTS', help: 'with --qr-text: what to open' },
        { name: 'force', help: 'with --qr-text: replace a stanza of that name' },
        JSON_OUTPUT,
      ],
      examples: [
        { line: 'postern import fwknoprc', does: 'looks at ~/.fwknoprc' },
        {
          line: 'postern import fwknoprc --qr-text - --name web1 --server gate.example.com --access tcp/22',
          does: 'keeps the keys of a QR code as [web1]',
        },
      ],
      run: async (parsed, io) => (await import('./commands/import-fwknoprc.ts')).runImportFwknoprc(parsed, io),
    },
    {
      name: 'close',
      summary: 'end what is open for this device',
      description: [
        'Ends all grants that this device has for the service, whatever addresses they are for. Connections that exist live on.',
      ],
      arguments: [HOST, SERVICE],
      options: [...WAY, JSON_OUTPUT],
      examples: [{ line: 'postern close web1 imap', does: 'closes imap at once instead of when its time ends' }],
      run: async (parsed, io) => (await import('./commands/close.ts')).runClose(parsed, io),
    },
    {
      name: 'ssh',
      summary: 'knock, then run ssh',
      description: [
        'Opens ssh on the host for this device and runs the real ssh to the very address that was opened, in place of itself: terminal, signals and exit code are those of ssh. All short options and everything after HOST are passed on, before or after HOST as with ssh.',
        "The host's key is looked up under the name that ssh would have used without this program (`ssh -G` says which), and ssh's configuration for HOST applies but for HostName. Through a ProxyJump the connection comes from the jump host: knock there.",
      ],
      arguments: [
        {
          name: 'destination',
          help: '[USER@]HOST and what else ssh takes',
          offer: { command: 'hosts', column: 1 },
          rest: true,
        },
      ],
      options: SSH_OPTIONS.filter((option) => option !== CONFIG),
      examples: [
        { line: 'postern ssh web1', does: 'logs in' },
        { line: 'postern ssh -p 2222 -L 8080:localhost:80 me@web1 uptime', does: 'everything that ssh can do' },
        { line: 'GIT_SSH_COMMAND="postern ssh --quiet" git pull', does: 'git through a hidden ssh' },
        { line: 'rsync -e "postern ssh --quiet" -a site/ web1:/srv/site/', does: 'rsync the same way' },
      ],
      run: async (parsed, io) => (await import('./commands/ssh.ts')).runPosternSsh(parsed, io),
    },
    {
      name: 'ssh-config',
      summary: 'make plain ssh knock by itself, and scp, sftp, rsync, git and all that use ssh',
      description: [
        "Writes a block for each HOST to ~/.ssh/postern.conf, and one line that includes it at the top of ~/.ssh/config. Before ssh connects to such a host, it runs `postern knock`; where that gets no answer it says so in one line and ssh tries all the same. The gate's address is set as HostName where ssh would find none. Running it again changes nothing; --remove leaves ~/.ssh/config as it was.",
        'With --proxy-command, postern makes the connection itself and stays in it: ssh -G, ControlMaster and a configuration that is read twice cause no needless knock, and ssh goes to the very address that was opened; but each connection then costs a process and every byte passes through it.',
        'Without HOST: lists what is there.',
      ],
      arguments: [{ ...HOST, optional: true, multiple: true }],
      options: [
        { name: 'remove', help: 'take the hosts out again' },
        { name: 'print', help: 'show what would be written, and write nothing' },
        { name: 'proxy-command', help: 'let ssh connect through postern, instead of knocking before it connects' },
        { name: 'also', value: 'NAME', help: 'another name of the host that is typed after ssh', multiple: true },
        {
          name: 'service',
          value: 'SERVICE',
          help: 'what to open; by default `ssh`, or the first service that the invite named',
        },
        {
          name: 'hostname',
          value: 'ADDRESS',
          help: "where ssh connects to (HostName); by default the gate's address, where ssh would find none",
        },
        { name: 'user', value: 'NAME', help: 'as whom to log in (User)' },
        { name: 'port', value: 'N', help: 'port of ssh (Port)' },
        {
          name: 'timeout',
          value: 'SECONDS',
          help: 'how long a knock waits without any answer, and ssh for a connection after a knock in vain; 5 by default',
        },
        ...[IPV4, IPV6],
        { name: 'file', value: 'FILE', help: 'another configuration of ssh than ~/.ssh/config, as for `ssh -F`' },
        { name: 'program', value: 'PATH', help: 'the postern program that ssh shall run; by default this one' },
        ...[QUIET, JSON_OUTPUT],
      ],
      examples: [
        { line: 'postern ssh-config web1', does: '`ssh web1` knocks by itself from now on' },
        {
          line: 'postern ssh-config web1 --user admin --also web1.example.com',
          does: 'also when it is called by another name',
        },
        {
          line: 'postern ssh-config web1 db1 --print',
          does: 'shows the blocks, for a configuration that you keep yourself',
        },
        { line: 'postern ssh-config web1 --remove', does: 'plain ssh again' },
      ],
      run: async (parsed, io) => (await import('./commands/ssh-config.ts')).runSshConfig(parsed, io),
    },
    {
      name: 'ssh-proxy',
      summary: 'knock and connect, as the ProxyCommand of ssh',
      hidden: true,
      arguments: [HOST, { name: 'service', help: 'what to open' }, { name: 'port', help: 'port of ssh' }],
      options: [TIMEOUT, IPV4, IPV6],
      examples: [
        {
          line: 'ProxyCommand postern ssh-proxy web1 ssh %p',
          does: 'as `postern ssh-config --proxy-command` writes it',
        },
      ],
      run: async (parsed, io) => (await import('./commands/ssh-proxy.ts')).runSshProxy(parsed, io),
    },
    {
      name: 'hosts',
      summary: 'list the hosts that this device has joined',
      options: [JSON_OUTPUT],
      examples: [{ line: 'postern hosts', does: "lists names, services, addresses and this device's ids; no secrets" }],
      run: async (parsed, io) => (await import('./commands/hosts.ts')).runHosts(parsed, io),
    },
    {
      name: 'passphrase',
      summary: "give this device's key for a host a passphrase, change it or take it away",
      description: [
        'The file of the host is sealed (Argon2id, ChaCha20-Poly1305); whoever gets it cannot knock without the passphrase. It is asked for with each knock and kept by nobody afterwards; there is no agent. `postern hosts` still lists the host.',
        'Asked on the terminal, or by the program that POSTERN_ASKPASS names; where there is no terminal, by that of SSH_ASKPASS.',
      ],
      arguments: [HOST],
      options: [{ name: 'remove', help: 'keep the key without a passphrase' }, QUIET, JSON_OUTPUT],
      examples: [
        {
          line: 'postern passphrase web1',
          does: 'asks for the present passphrase, if there is one, and for the new one',
        },
        { line: 'postern passphrase web1 --remove', does: 'the file alone is enough again' },
      ],
      run: async (parsed, io) => (await import('./commands/passphrase.ts')).runPassphrase(parsed, io),
    },
    {
      name: 'hosts remove',
      summary: "forget a host and this device's key for it",
      arguments: [HOST],
      options: [QUIET, JSON_OUTPUT],
      examples: [
        {
          line: 'postern hosts remove web1',
          does: 'deletes the key; the gate still lists the device until it is revoked there',
        },
      ],
      run: async (parsed, io) => (await import('./commands/hosts.ts')).runHostsRemove(parsed, io),
    },
    completionCommand('postern', () => program),
  ],
  manual: {
    section: 1,
    exitCodes: [
      { code: 0, means: 'done: opened, extended, closed, joined' },
      { code: 1, means: 'the gate said that something failed there, or this device is in the way' },
      { code: 2, means: 'the command line was not understood' },
      { code: 3, means: 'no answer, or no way to the gate' },
      { code: 4, means: 'not permitted' },
      { code: 5, means: 'no such host, or its file is missing, damaged, or readable by others' },
    ],
    files: [
      {
        path: '~/.config/postern/hosts/HOST.json',
        holds:
          "this device's private key for that gate, the gate's keys, and what its receipts taught; for its owner only",
      },
      {
        path: '~/.fwknoprc',
        holds: 'stanzas of `postern fwknop`, in the format of fwknop; with keys for its owner only',
      },
      {
        path: '~/.config/postern/doors.json',
        holds: 'sequences of classic doors by name, written by hand; for its owner only',
      },
    ],
    environment: [
      { name: 'SPOOF_USER', does: '`postern fwknop`: the user name in the packet' },
      { name: 'XDG_CONFIG_HOME', does: 'the directory that holds `postern` instead of `~/.config`' },
      { name: 'NO_COLOR', does: 'set to anything: no colours' },
      { name: 'POSTERN_DEBUG', does: '`1` shows where a bug of ours is (`internal error`)' },
    ],
    seeAlso: ['ssh(1)', 'ssh_config(5)', 'posternd(8)'],
  },
};
