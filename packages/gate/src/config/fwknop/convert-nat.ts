/** Where requests of a stanza may lead. */
import { formatAddress, parseAddress } from '@postern/protocol';
import type { StanzaTable } from './schema.ts';
import type { Taking } from './taking.ts';

/** What fwknopd.conf says of NAT. */
export interface NatSettings {
  readonly forward: boolean;
  readonly local: boolean;
  readonly masquerade: boolean;
}

/** Takes the variables of NAT over. */
export function convertNat(
  taking: Taking,
  settings: NatSettings,
): Pick<StanzaTable, 'forward' | 'forward_local' | 'forward_to' | 'masquerade'> {
  if (taking.takeYes('FORWARD_ALL')) {
    const text = 'all traffic of a source cannot be led elsewhere: a grant is for one port';
    taking.note('refused', 'FORWARD_ALL', text, ['FORCE_NAT ADDRESS PORT;, or a VPN that Postern hides']);
  }
  if (taking.takeYes('DISABLE_DNAT')) {
    const text =
      'what passes through this host is not hidden by Postern, so that it has nothing to open without a target';
    taking.note('refused', 'DISABLE_DNAT', text, ['FORCE_NAT ADDRESS PORT;, which leads there who asks']);
  }
  const to = forceOf(taking, settings);
  const [snat, masquerade] = [taking.take('FORCE_SNAT'), taking.takeYes('FORCE_MASQUERADE')];
  if ((snat !== undefined || masquerade) && !taking.has('FORCE_NAT') && !taking.refused) {
    taking.note(
      'refused',
      snat === undefined ? 'FORCE_MASQUERADE' : 'FORCE_SNAT',
      'it needs FORCE_NAT, with fwknopd, too',
    );
  }
  if (snat !== undefined && to !== undefined) {
    const text = 'the service sees the address of the interface by which this host reaches it, whatever stands here';
    taking.note('changed', 'FORCE_SNAT', text);
  }
  const leads = settings.forward || settings.local || to !== undefined;
  return {
    ...(settings.forward ? { forward: true } : {}),
    ...(settings.local ? { forward_local: true } : {}),
    ...(to === undefined ? {} : { forward_to: to }),
    ...(leads && (snat !== undefined || masquerade || settings.masquerade) ? { masquerade: true } : {}),
  };
}

function forceOf(taking: Taking, settings: NatSettings): string | undefined {
  const variable = taking.take('FORCE_NAT');
  if (variable === undefined) return undefined;
  const [, host = '', digits = ''] = /^(\S+)[\s,:]+(\d{1,5})$/.exec(variable.value) ?? [];
  const [address, port] = [parseAddress(host), Number(digits)];
  if (address === undefined || port < 1 || port > 65_535) {
    taking.note('refused', 'FORCE_NAT', 'an address and a port are expected', ['FORCE_NAT 10.0.3.7 22;']);
    return undefined;
  }
  if (!settings.forward && !settings.local) {
    const text = 'neither ENABLE_IPT_FORWARDING nor ENABLE_IPT_LOCAL_NAT is Y, which fwknopd refuses, too';
    taking.note('refused', 'FORCE_NAT', text);
    return undefined;
  }
  const shown = formatAddress(address);
  return shown.includes(':') ? `[${shown}]:${port}` : `${shown}:${port}`;
}
