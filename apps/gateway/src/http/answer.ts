import type { Answer } from '../seam.ts';

const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  204: 'No Content',
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  304: 'Not Modified',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Payment Required',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  408: 'Request Timeout',
  409: 'Conflict',
  410: 'Gone',
  411: 'Length Required',
  413: 'Content Too Large',
  414: 'URI Too Long',
  415: 'Unsupported Media Type',
  417: 'Expectation Failed',
  421: 'Misdirected Request',
  426: 'Upgrade Required',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
};

const ASCII = /^[\x20-\x7e\r\n\t]*$/;

/** The gateway's own answer as one message. `head`: the request was HEAD, so the body is counted but not sent. */
export function answerMessage(answer: Answer, head: boolean, close: boolean, clientMinor: number, date: string): string {
  // UTF-8 bytes as latin1 characters: the message stays one string and one write.
  const body = ASCII.test(answer.body) ? answer.body : Buffer.from(answer.body, 'utf8').toString('latin1');
  const { headers, status } = answer;
  const bodiless = status === 204 || status === 304;
  let out = `HTTP/1.1 ${status} ${REASONS[status] ?? 'Answer'}\r\n${date}`;
  for (let i = 0; i < headers.length; i += 2) out += `${headers[i]}: ${headers[i + 1]}\r\n`;
  if (!bodiless) out += `Content-Length: ${body.length}\r\n`;
  if (close) out += 'Connection: close\r\n';
  else if (clientMinor === 0) out += 'Connection: keep-alive\r\n';
  return head || bodiless ? `${out}\r\n` : `${out}\r\n${body}`;
}
