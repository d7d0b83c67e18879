/** Addresses that are not of the public internet: behind them are our own machines, which no alert's URL may reach. */
import { BlockList, isIP } from 'node:net';

/** IANA's special-purpose registries. */
const V4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];

/** Of IPv6 only global unicast is public, but for its own special parts and what carries an IPv4 address. */
const V6_GLOBAL = '2000::/3';
const V6_SPECIAL = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

function listOf(ranges: readonly string[], family: 'ipv4' | 'ipv6'): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', bits] = range.split('/');
    list.addSubnet(address, Number(bits), family);
  }
  return list;
}

const PRIVATE_V4 = listOf(V4, 'ipv4');
const GLOBAL_V6 = listOf([V6_GLOBAL], 'ipv6');
const SPECIAL_V6 = listOf(V6_SPECIAL, 'ipv6');

/** Whether an address, not a name, is private; what is no address is taken for private. */
export function isPrivateAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return PRIVATE_V4.check(address, 'ipv4');
    case 6:
      return !GLOBAL_V6.check(address, 'ipv6') || SPECIAL_V6.check(address, 'ipv6');
    default:
      return true;
  }
}

/** Whether an address is of this machine. */
export function isLoopbackAddress(address: string): boolean {
  return isIP(address) === 4 ? address.startsWith('127.') : address === '::1';
}
