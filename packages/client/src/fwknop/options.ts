/** The options of fwknop's client, under its own names. */
import type { Option } from '@postern/terminal';
import type { FwknopSetting } from './variables.ts';

/** An option, and what it sets. */
export interface FwknopOption extends Option {
  /** Other long names of the same option. */
  readonly aliases?: readonly string[];
  /** The setting that it is; a flag sets it to the text here. */
  readonly sets?: readonly [setting: FwknopSetting, value: string];
  /** Why the option is not taken, and what to do in its place. */
  readonly refused?: readonly [reason: string, hint: string];
  /** The value may be left out, and stands only behind `=`. */
  readonly inlineOnly?: boolean;
  /** Its value is a secret that `ps` and the shell's history show. */
  readonly secret?: boolean;
}

/** Where the digests are named. */
const DIGESTS = ['md5', 'sha1', 'sha256', 'sha384', 'sha512', 'sha3_256', 'sha3_512'] as const;
const HISTORY: readonly [string, string] = [
  'command lines are not kept, as fwknop does: they hold keys',
  '`--save-rc-stanza -n NAME` keeps the options in ~/.fwknoprc, and `-n NAME` uses them again',
];

/** All of them, in the order of the help. */
export const FWKNOP_OPTIONS: readonly FwknopOption[] = [
  {
    ...{ name: 'named-config', short: 'n', value: 'STANZA' },
    help: 'use that stanza of ~/.fwknoprc, after [default]; the command line wins over both',
  },
  {
    ...{ name: 'access', short: 'A', value: 'PORTS', sets: ['ACCESS', ''] },
    help: 'what to open: `tcp/22`, or `tcp/22,udp/53`',
  },
  {
    ...{ name: 'allow-ip', short: 'a', value: 'ADDRESS', sets: ['ALLOW_IP', ''] },
    help: 'for which address to open; an IPv6 address is understood by posternd only',
  },
  {
    ...{ name: 'resolve-ip-https', short: 'R', aliases: ['resolve-ip-http'], sets: ['ALLOW_IP', 'resolve'] },
    help: 'open for the address that the gate sees this device at, where it was joined (`postern hosts`); else for the one that an HTTPS page says',
  },
  {
    ...{ name: 'source-ip', short: 's', sets: ['ALLOW_IP', 'source'] },
    help: 'open for the address that the packet comes from: whoever can change packets on the way gets it for himself',
  },
  {
    ...{ name: 'destination', short: 'D', value: 'HOST', sets: ['SPA_SERVER', ''] },
    help: 'the server: a name or an address',
  },
  {
    ...{ name: 'server-port', short: 'p', value: 'PORT', sets: ['SPA_SERVER_PORT', ''] },
    help: 'port to send to; 62201 by default',
  },
  {
    ...{ name: 'server-proto', short: 'P', value: 'HOW', sets: ['SPA_SERVER_PROTO', ''] },
    help: 'how to send: `udp` (default), `tcp`, `http`; as root also `udpraw`, `tcpraw` and `icmp`, which the posternd package of this machine sends',
    offer: ['udp', 'tcp', 'http', 'tcpraw', 'udpraw', 'icmp'],
  },
  {
    ...{ name: 'rand-port', short: 'r', sets: ['RAND_PORT', 'Y'] },
    help: 'send to a random port from 1024',
  },
  {
    ...{ name: 'fw-timeout', short: 'f', value: 'SECONDS', sets: ['FW_TIMEOUT', ''] },
    help: 'how long to open, 0 to 65536; 0 leaves it to the server',
  },
  {
    ...{ name: 'server-cmd', short: 'C', value: 'COMMAND', sets: ['SERVER_CMD', ''] },
    help: 'run a command at the server, where its stanza allows that',
  },
  {
    ...{ name: 'nat-access', short: 'N', value: 'HOST', sets: ['NAT_ACCESS', ''] },
    help: 'reach a host behind the server, as `HOST:PORT`: the port of -A there leads to it; without `:PORT` to the same port',
  },
  {
    ...{ name: 'nat-local', sets: ['NAT_LOCAL', 'Y'] },
    help: 'reach a port of the server itself by another one (--nat-port)',
  },
  {
    ...{ name: 'nat-port', value: 'PORT', sets: ['NAT_PORT', ''] },
    help: 'the port that shall lead on, in place of that of -A',
  },
  {
    ...{ name: 'nat-rand-port', sets: ['NAT_RAND_PORT', 'Y'] },
    help: 'the same with a random port, which is told',
  },
  {
    ...{ name: 'spoof-user', short: 'U', value: 'NAME', sets: ['SPOOF_USER', ''] },
    help: "the user name in the packet; by default this user's",
  },
  {
    ...{ name: 'time-offset-plus', value: 'TIME', sets: ['TIME_OFFSET', ''] },
    help: 'add to the time in the packet: `90`, `5min`, `2h`, `1d`',
  },
  {
    ...{ name: 'time-offset-minus', value: 'TIME', sets: ['TIME_OFFSET', '-'] },
    help: 'take from the time in the packet',
  },
  {
    ...{ name: 'key-rijndael', value: 'KEY', sets: ['KEY', ''], secret: true },
    help: 'the key as text; `ps` and the history of the shell show it',
  },
  {
    ...{ name: 'key-base64-rijndael', value: 'KEY', sets: ['KEY_BASE64', ''], secret: true },
    help: 'the key in base64; `ps` and the history of the shell show it',
  },
  {
    ...{ name: 'key-hmac', value: 'KEY', sets: ['HMAC_KEY', ''], secret: true },
    help: 'the HMAC key as text, the same way',
  },
  {
    ...{ name: 'key-base64-hmac', value: 'KEY', sets: ['HMAC_KEY_BASE64', ''], secret: true },
    help: 'the HMAC key in base64, the same way',
  },
  {
    ...{ name: 'get-key', short: 'G', value: 'FILE', sets: ['KEY_FILE', ''] },
    help: 'read the key from a file of lines `host: key`',
  },
  {
    ...{ name: 'get-hmac-key', value: 'FILE', sets: ['HMAC_KEY_FILE', ''] },
    help: 'read the HMAC key from such a file',
  },
  {
    ...{ name: 'stdin', sets: ['KEY_FD', '0'] },
    help: 'read the key as text from standard input; with --use-hmac the HMAC key from the line after it',
  },
  { ...{ name: 'fd', value: 'N', sets: ['KEY_FD', ''] }, help: 'the same from a descriptor' },
  {
    ...{ name: 'use-hmac', sets: ['USE_HMAC', 'Y'] },
    help: 'authenticate the packet; implied by an HMAC key. Without it, posternd refuses the packet unless told otherwise',
  },
  {
    ...{ name: 'hmac-digest-type', value: 'DIGEST', sets: ['HMAC_DIGEST_TYPE', ''], offer: DIGESTS },
    help: `of the HMAC: ${DIGESTS.join(', ')}; sha256 by default`,
  },
  {
    ...{ name: 'digest-type', short: 'm', value: 'DIGEST', sets: ['DIGEST_TYPE', ''], offer: DIGESTS },
    help: 'of the digest inside the packet; sha256 by default',
  },
  {
    ...{ name: 'encryption-mode', short: 'M', value: 'MODE', sets: ['ENCRYPTION_MODE', ''] },
    help: 'CBC (default), CTR, CFB, OFB, ECB or legacy, as the server has it',
    offer: ['CBC', 'CTR', 'CFB', 'OFB', 'ECB', 'legacy'],
  },
  {
    ...{ name: 'gpg-encryption', short: 'g', sets: ['USE_GPG', 'Y'] },
    help: 'encrypt with gpg. RSA keys work with every server, elliptic ones with posternd',
  },
  {
    ...{ name: 'gpg-recipient-key', value: 'ID', sets: ['GPG_RECIPIENT', ''] },
    help: "the server's key; implies -g",
  },
  { ...{ name: 'gpg-signer-key', value: 'ID', sets: ['GPG_SIGNER', ''] }, help: 'the key that signs; implies -g' },
  {
    ...{ name: 'gpg-home-dir', value: 'DIR', sets: ['GPG_HOMEDIR', ''] },
    help: "the key ring's directory; implies -g",
  },
  { ...{ name: 'gpg-exe', value: 'FILE', sets: ['GPG_EXE', ''] }, help: 'the gpg program; implies -g' },
  {
    ...{ name: 'gpg-agent', sets: ['USE_GPG_AGENT', 'Y'] },
    help: 'let the gpg agent ask for the passphrase; implies -g',
  },
  {
    ...{ name: 'gpg-no-signing-pw', aliases: ['gpg-allow-no-signing-pw'], sets: ['GPG_NO_SIGNING_PW', 'Y'] },
    help: 'the signing key has no passphrase; implies -g',
  },
  {
    ...{ name: 'resolve-url', value: 'URL', sets: ['RESOLVE_URL', ''] },
    help: 'the page that -R asks: https, and an address in what it says',
  },
  {
    ...{ name: 'resolve-http-only', sets: ['RESOLVE_HTTP_ONLY', 'Y'] },
    help: 'taken, but the page is asked by HTTPS all the same: else everybody on the way could put in an address',
  },
  {
    ...{ name: 'user-agent', short: 'u', value: 'TEXT', sets: ['HTTP_USER_AGENT', ''] },
    help: 'what HTTP requests call the program; `Fwknop/2.6.10` by default',
  },
  { ...{ name: 'use-wget-user-agent', sets: ['USE_WGET_USER_AGENT', 'Y'] }, help: 'call it `Wget/1.21.3`' },
  {
    ...{ name: 'wget-cmd', short: 'w', value: 'FILE', sets: ['WGET_CMD', ''] },
    help: 'taken, but no wget is run',
  },
  {
    ...{ name: 'http-proxy', short: 'H', value: 'HOST', sets: ['HTTP_PROXY', ''] },
    help: 'send by HTTP through a proxy, `HOST` or `HOST:PORT`',
  },
  {
    ...{ name: 'source-port', short: 'S', value: 'PORT', sets: ['SPA_SOURCE_PORT', ''] },
    help: 'send from that port',
  },
  {
    ...{ name: 'spoof-source', short: 'Q', value: 'ADDRESS', aliases: ['spoof-src'], sets: ['SPOOF_SOURCE_IP', ''] },
    help: 'send as if from that address (udpraw, tcpraw, icmp)',
  },
  { ...{ name: 'icmp-type', value: 'N', sets: ['ICMP_TYPE', ''] }, help: 'with -P icmp; 0, an echo reply, by default' },
  { ...{ name: 'icmp-code', value: 'N', sets: ['ICMP_CODE', ''] }, help: 'with -P icmp; 0 by default' },
  {
    ...{ name: 'server-resolve-ipv4', sets: ['SERVER_RESOLVE_IPV4', 'Y'] },
    help: 'only IPv4 addresses of the server; otherwise they come first',
  },
  { name: 'test', short: 'T', help: 'show the packet and what is in it, and send nothing' },
  { name: 'save-packet', short: 'B', value: 'FILE', help: 'write the packet to a file, too' },
  { name: 'save-packet-append', short: 'b', help: 'add it to that file' },
  { name: 'key-gen', short: 'k', help: 'make a key and an HMAC key; with --save-rc-stanza they go there' },
  { name: 'key-gen-file', short: 'K', value: 'FILE', help: 'write them to a file for you alone' },
  { name: 'key-len', value: 'BYTES', help: 'length of a new key, 1 to 32; 32 by default' },
  { name: 'hmac-key-len', value: 'BYTES', help: 'length of a new HMAC key, 1 to 128; by its digest' },
  { name: 'rc-file', value: 'FILE', help: 'another file than ~/.fwknoprc' },
  { name: 'no-rc-file', help: 'read no such file' },
  { name: 'no-home-dir', help: 'do not look for the home directory' },
  {
    ...{ name: 'save-rc-stanza', value: 'NAME', inlineOnly: true },
    help: 'keep the options in a stanza: `=NAME`, -n NAME, or the name of the server',
  },
  { name: 'force-stanza', help: 'replace the stanza if it is there' },
  { name: 'stanza-list', help: 'list the stanzas' },
  {
    name: 'show-qr',
    help: 'the keys as the QR text of fwknop apps; where posternd is on this machine also as a picture. Whoever sees it can knock',
  },
  { name: 'verbose', short: 'v', help: 'say more; may be given several times' },
  { name: 'json', help: 'with --test, --stanza-list and --key-gen: one JSON object' },
  { name: 'no-save-args', sets: ['NO_SAVE_ARGS', 'Y'], help: 'taken: command lines are never kept' },
  { name: 'last-cmd', short: 'l', refused: HISTORY, help: 'refused: command lines are not kept' },
  { name: 'show-last', refused: HISTORY, help: 'refused: command lines are not kept' },
  { name: 'save-args-file', short: 'E', value: 'FILE', refused: HISTORY, help: 'refused: command lines are not kept' },
  {
    ...{
      name: 'fault-injection-tag',
      value: 'TAG',
      refused: ['it exists in test builds of fwknop only', 'leave it out'],
    },
    help: 'refused: for test builds',
  },
  { name: 'version', short: 'V', help: 'tell the version' },
];
