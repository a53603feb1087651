/** The service behind the sample routes: it answers with what the gateway told it. Usage: sample-upstream.js <port> */
import { createServer } from 'node:http';

const port = Number(process.argv[2]);
const told = /^(x-fluxgate-|x-forwarded-|traceparent$|via$|host$)/;

const server = createServer((request, response) => {
  const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => told.test(name)));
  const body = JSON.stringify({ service: 'sample', method: request.method, path: request.url, headers });
  request.resume();
  request.on('end', () => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
    response.end(request.method === 'HEAD' ? undefined : body);
  });
});
server.keepAliveTimeout = 120_000;
server.listen(port, '127.0.0.1');
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => server.close(() => process.exit(0)) && server.closeAllConnections());
