import type { BaseChain, Packet } from './model.ts';
import type { Stop } from './simulate.ts';

/** What nft calls a chain's place. */
function nftPlace({ table, name }: BaseChain): string {
  return `${table.family} ${table.name} ${name}`;
}

/** The chain of a table of Postern's host, for a person: `chain input of table inet filter`. */
export function showChain({ table, name }: BaseChain): string {
  const tool = table.owner === 'iptables-legacy' ? ' (iptables-legacy)' : table.owner === 'ufw' ? ' (ufw)' : '';
  return `chain ${name} of table ${table.family} ${table.name}${tool}`;
}

function side(hook: BaseChain['hook']): 'dport' | 'sport' {
  return hook === 'output' || hook === 'postrouting' ? 'sport' : 'dport';
}

function portOf(hook: BaseChain['hook'], packet: Packet): number {
  return side(hook) === 'dport' ? packet.destinationPort : packet.sourcePort;
}

function iptables(chain: BaseChain, packet: Packet): string {
  const six = chain.table.family === 'ip6' ? 'ip6tables' : 'iptables';
  const program = chain.table.owner === 'iptables-legacy' ? `${six}-legacy` : six;
  const table = chain.table.name === 'filter' ? '' : ` -t ${chain.table.name}`;
  const { name, hook } = chain;
  return `${program}${table} -I ${name} -p ${packet.protocol} --${side(hook)} ${portOf(hook, packet)} -j ACCEPT`;
}

function ufw(chain: BaseChain, packet: Packet): string {
  const port = `${portOf(chain.hook, packet)}/${packet.protocol}`;
  switch (chain.hook) {
    case 'input':
      return `ufw allow ${port}`;
    case 'output':
      return `ufw allow out from any port ${portOf(chain.hook, packet)} proto ${packet.protocol}`;
    case 'forward':
      return `ufw route allow to ${packet.destination ?? 'any'} port ${packet.destinationPort} proto ${packet.protocol}`;
    default:
      return iptables(chain, packet);
  }
}

/** One command, and where its rule must be written to outlive a restart (undefined where the command does that). */
export interface RuleToAdd {
  readonly command: string;
  readonly keep: string | undefined;
}

/** The one rule that lets a packet through a chain that stopped it, in the form of the tool that owns the chain. Pure. */
export function ruleToAdd({ chain }: Stop, packet: Packet): RuleToAdd {
  const { owner } = chain.table;
  switch (owner) {
    case 'firewalld':
      if (side(chain.hook) === 'dport' && chain.hook !== 'forward')
        return {
          command: `firewall-cmd --permanent --add-port=${packet.destinationPort}/${packet.protocol} && firewall-cmd --reload`,
          keep: undefined,
        };
      break;
    case 'ufw':
      return { command: ufw(chain, packet), keep: undefined };
    case 'iptables':
    case 'iptables-legacy':
      return { command: iptables(chain, packet), keep: 'netfilter-persistent save' };
    default:
  }
  const port = `${packet.protocol} ${side(chain.hook)} ${portOf(chain.hook, packet)}`;
  return {
    command: `nft insert rule ${nftPlace(chain)} ${port} accept`,
    keep: owner === 'firewalld' ? 'a direct rule of firewalld' : 'the same rule in /etc/nftables.conf',
  };
}
