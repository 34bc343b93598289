/** A person with ssh before two hosts: one behind Postern, and one behind fwknopd. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fwknopd, fwknopdAvailable } from '../../fwknopd.ts';
import { Household } from '../../household.ts';
import { Namespace } from '../../namespace.ts';
import { SshHome, type Timed } from '../../ssh-home.ts';
import { Sshd } from '../../sshd.ts';
import { unpacked } from '../../unpacked.ts';
import { bundledClient } from '../client.ts';

const [PEER, PERSON] = ['10.98.0.1', '10.98.0.2'] as const;
const KEYS = 'KEY a-passphrase\nHMAC_KEY another-passphrase\n';
const ACCESS = `SOURCE ANY\n${KEYS}OPEN_PORTS tcp/22\n`;
const RC = `[peer]\nSPA_SERVER ${PEER}\nACCESS tcp/22\nALLOW_IP ${PERSON}\n${KEYS}`;
const SERVICES = '[services.ssh]\nports = ["tcp/22"]\nseconds = 60\nsingle_use = true\nprotect = true\n';

/** What a shell of Debian ends its prompt with. */
const PROMPT = /[#$] $/;

/** How fwknopd is run. */
export type FwknopdMode = 'udp-server' | 'sniffing';

/** Everything; ends with it. */
export class SshWorld implements AsyncDisposable {
  readonly #home: SshHome;
  readonly #peer: Namespace;
  readonly #device: string;
  readonly #stack: AsyncDisposableStack;
  #fwknopd: Fwknopd | undefined;

  private constructor(home: SshHome, peer: Namespace, device: string, stack: AsyncDisposableStack) {
    this.#home = home;
    this.#peer = peer;
    this.#device = device;
    this.#stack = stack;
  }

  static async build(): Promise<SshWorld> {
    await using stack = new AsyncDisposableStack();
    const house = stack.use(await Household.build({ services: SERVICES }));
    const peer = stack.use(new Namespace('peer'));
    const { here } = peer.connect(house.world, [`${PEER}/24`], [`${PERSON}/24`]);
    const home = stack.use(new SshHome(house.world, [`${PEER} peer`]));
    const servers = [stack.use(await Sshd.start(house.gateSide)), stack.use(await Sshd.start(peer))];
    house.joinWith((house.gate.json('user', 'add', 'alice') as { invite: string }).invite, home.xdg);
    const own = [
      'Host *',
      ...servers.map(({ identity }) => `  IdentityFile ${identity}`),
      '  IdentitiesOnly yes',
      '  StrictHostKeyChecking accept-new',
      '  BatchMode yes',
      '  LogLevel ERROR',
      '',
    ];
    writeFileSync(home.config, own.join('\n'), { mode: 0o600 });
    // As it is shipped, and not from the sources.
    const postern = bundledClient(join(home.directory, 'bundle'));
    const command = join(home.directory, 'my programs/postern');
    writeFileSync(command, `#!/bin/sh\nexec '${postern}' "$@"\n`);
    chmodSync(command, 0o755);
    writeFileSync(join(home.directory, '.fwknoprc'), RC, { mode: 0o600 });
    const world = new SshWorld(home, peer, here, stack.move());
    await world.run('postern ssh-config demo');
    return world;
  }

  /** A line in the person's shell that ends with a shell on the far host: milliseconds until its prompt shows. Throws when none does. */
  async prompt(line: string): Promise<number> {
    const { out, err, milliseconds } = await this.#home.run(line, { input: 'exit\n', shows: PROMPT });
    if (Number.isNaN(milliseconds)) throw new Error(`${line}: no prompt, but ${JSON.stringify(out + err)}`);
    return milliseconds;
  }

  /** A line in the person's shell; milliseconds. Throws when it fails. */
  async run(line: string): Promise<number> {
    const { code, err, milliseconds }: Timed = await this.#home.run(line);
    if (code !== 0) throw new Error(`${line}: ${err}`);
    return milliseconds;
  }

  /** Whether there is a fwknopd; runs it in this mode from now on. */
  async fwknopd(mode: FwknopdMode): Promise<boolean> {
    if (!fwknopdAvailable()) return false;
    await this.#fwknopd?.[Symbol.asyncDispose]();
    const capture = mode === 'udp-server' ? mode : { device: this.#device };
    this.#fwknopd = await Fwknopd.start(this.#peer, { access: ACCESS, capture });
    return true;
  }

  /** Hides the peer's ssh again, or shows it to everybody. */
  hide(hidden: boolean): void {
    this.#peer.run('iptables', ['-F']);
    if (!hidden) return;
    this.#peer.run('iptables', ['-A', 'INPUT', '-m', 'conntrack', '--ctstate', 'ESTABLISHED', '-j', 'ACCEPT']);
    this.#peer.run('iptables', ['-A', 'INPUT', '-p', 'tcp', '--dport', '22', '-j', 'DROP']);
    // fwknopd looks for its jump before each grant, and puts it back.
  }

  /** What a person types for the peer. */
  static readonly knockAndSsh: string = `'${unpacked('fwknop-client', 'usr/bin/fwknop')}' -n peer --no-save-args >/dev/null && ssh -tt peer`;

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#fwknopd?.[Symbol.asyncDispose]();
    await this.#stack.disposeAsync();
  }
}
