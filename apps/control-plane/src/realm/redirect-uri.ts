import { isLoopback } from '@fluxgate/protocol/settings';

/**
 * Why a redirect URI is refused, or null. It is compared as text (RFC 9700 §2.1: exact match), so whatever could be
 * spelled in two ways, or sends a code in clear over a network, is not taken.
 */
export function redirectProblem(uri: string): string | null {
  if (uri.length > 2000) return 'longer than 2000 characters';
  if (!/^[\x21-\x7e]+$/.test(uri)) return 'holds spaces or characters outside ASCII';
  if (!URL.canParse(uri)) return 'not an absolute URL';
  const url = new URL(uri);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return `the scheme ${url.protocol.slice(0, -1)} is not https`;
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) return 'http is only taken for loopback; use https';
  if (url.username !== '' || url.password !== '' || /^[a-z]+:\/\/[^/]*@/i.test(uri)) return 'holds user information';
  if (uri.includes('#')) return 'holds a fragment';
  if (uri.includes('*')) return 'holds a wildcard; redirect URIs are compared exactly';
  if (uri.includes('\\')) return 'holds a backslash';
  if (/(^|\/)(\.|%2e){1,2}(\/|$|\?)/i.test(uri.slice(uri.indexOf('//') + 2))) return 'holds a dot segment';
  return null;
}
