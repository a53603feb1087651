import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BenchKeys, goodKeys } from './keys.ts';
import { cores, findProgram, freePort, type Peer, start } from './peers.ts';

/** What a peer is set up with. */
export interface Surroundings {
  readonly dir: string;
  readonly keys: BenchKeys;
  readonly upstreamPort: number;
  /** Files of one certificate; null: peers speak no TLS. */
  readonly certificate: { readonly cert: string; readonly key: string; readonly both: string } | null;
}

/** null: not on this machine. */
export type StartPeer = (around: Surroundings) => Promise<Peer | null>;

/** HMAC-SHA-256 of the key, look-up by digest, a rate counted per key, the key removed, a consumer told. */
export const startHaproxy: StartPeer = async ({ dir, keys, upstreamPort, certificate }) => {
  const haproxy = findProgram('haproxy');
  if (haproxy === null) return null;
  const port = await freePort();
  const tlsPort = await freePort();
  const digest = (text: string): string => createHmac('sha256', 'pepper').update(text).digest('hex').toUpperCase();
  const map = goodKeys(keys).map(({ text, name }) => `${digest(text)} ${name}\n`);
  writeFileSync(join(dir, 'haproxy.map'), map.join(''), { mode: 0o600 });
  writeFileSync(
    join(dir, 'haproxy.cfg'),
    `global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend f
  bind 127.0.0.1:${port}
${certificate === null ? '' : `  bind 127.0.0.1:${tlsPort} ssl crt ${certificate.both}`}
  acl open path_beg /open/
  stick-table type string len 64 size 100k expire 1m store http_req_rate(60s)
  http-request set-var(txn.kid) req.hdr(X-FluxGate-API-Key),hmac(sha256,cGVwcGVy),hex,map_str(${dir}/haproxy.map) unless open
  http-request deny deny_status 401 unless { var(txn.kid) -m found } or open
  http-request track-sc0 var(txn.kid) unless open
  http-request deny deny_status 429 if { sc_http_req_rate(0) gt 50000000 }
  http-request del-header X-FluxGate-API-Key
  http-request set-header X-Consumer %[var(txn.kid)]
  default_backend b
backend b
  http-reuse always
  server s 127.0.0.1:${upstreamPort}
`,
  );
  return start('haproxy', cores().proxy, port, [haproxy, '-db', '-f', join(dir, 'haproxy.cfg')], { tlsPort });
};

const nginxHead = (
  dir: string,
  name: string,
): string => `daemon off; master_process off; worker_processes 1; pid ${dir}/${name}.pid;
error_log ${dir}/${name}.log; events { worker_connections 24000; }`;
const nginxHttp = (
  dir: string,
  name: string,
  upstreamPort: number,
): string => `access_log off; keepalive_requests 100000000; keepalive_timeout 600s; client_max_body_size 0;
 client_body_temp_path ${dir}/${name}-b; proxy_temp_path ${dir}/${name}-p; fastcgi_temp_path ${dir}/${name}-f; uwsgi_temp_path ${dir}/${name}-u; scgi_temp_path ${dir}/${name}-s;
 upstream u { server 127.0.0.1:${upstreamPort}; keepalive 128; keepalive_requests 100000000; }`;

/** Look-up of the key and a rate per key; no hashing. */
export const startNginx: StartPeer = async ({ dir, keys, upstreamPort, certificate }) => {
  const nginx = findProgram('nginx');
  if (nginx === null) return null;
  const port = await freePort();
  const tlsPort = await freePort();
  const map = goodKeys(keys).map(({ text, name }) => `"${text}" ${name};\n`);
  writeFileSync(join(dir, 'nginx.map'), map.join(''), { mode: 0o600 });
  const tls =
    certificate === null
      ? ''
      : `listen 127.0.0.1:${tlsPort} ssl backlog=4096; ssl_certificate ${certificate.cert}; ssl_certificate_key ${certificate.key}; ssl_protocols TLSv1.2 TLSv1.3;`;
  writeFileSync(
    join(dir, 'nginx.conf'),
    `${nginxHead(dir, 'nginx')}
http { ${nginxHttp(dir, 'nginx', upstreamPort)}
 map_hash_max_size 65536; map_hash_bucket_size 256;
 map $http_x_fluxgate_api_key $kid { default ""; include ${dir}/nginx.map; }
 limit_req_zone $kid zone=k:10m rate=500000r/s;
 proxy_http_version 1.1; proxy_set_header Connection "";
 server { listen 127.0.0.1:${port} backlog=4096; ${tls}
  location /open/ { proxy_pass http://u; }
  location / { if ($kid = "") { return 401; } limit_req zone=k burst=100000 nodelay; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-FluxGate-API-Key ""; proxy_set_header X-Consumer $kid; proxy_pass http://u; } } }
`,
  );
  const argv = [nginx, '-c', join(dir, 'nginx.conf'), '-e', join(dir, 'nginx.log')];
  return start('nginx', cores().proxy, port, argv, { tlsPort });
};

const LUA_MODULES = '/usr/lib/nginx/modules';

/** Look-up, HMAC-SHA-1 (what the module offers), a shared counter: the floor under Kong and APISIX. */
export const startNginxLua: StartPeer = async ({ dir, keys, upstreamPort }) => {
  const nginx = findProgram('nginx');
  if (nginx === null) return null;
  const port = await freePort();
  const texts = goodKeys(keys).map(({ text }) => `${text}\n`);
  writeFileSync(join(dir, 'lua-keys.txt'), texts.join(''), { mode: 0o600 });
  writeFileSync(
    join(dir, 'lua.conf'),
    `load_module ${LUA_MODULES}/ndk_http_module.so; load_module ${LUA_MODULES}/ngx_http_lua_module.so;
${nginxHead(dir, 'lua')}
http { ${nginxHttp(dir, 'lua', upstreamPort)}
 lua_shared_dict rl 10m;
 init_by_lua_block { KEYS={} local i=0 for l in io.lines("${dir}/lua-keys.txt") do KEYS[l]="key"..i i=i+1 end }
 server { listen 127.0.0.1:${port} backlog=4096; location / {
  access_by_lua_block {
   local k = ngx.req.get_headers()["X-FluxGate-API-Key"]
   local id = k and KEYS[k]
   if not id then ngx.status = 401 ngx.say('{"error":"invalid_api_key"}') return ngx.exit(401) end
   local d = ngx.hmac_sha1("pepper", k)
   local n = ngx.shared.rl:incr(id .. math.floor(ngx.now() / 60), 1, 0, 120)
   if n > 500000000 then return ngx.exit(429) end
   ngx.req.clear_header("X-FluxGate-API-Key") ngx.req.set_header("X-Consumer", id)
  }
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://u; } } }
`,
  );
  const argv = [nginx, '-c', join(dir, 'lua.conf'), '-e', join(dir, 'lua.log')];
  return start('nginx+lua', cores().proxy, port, argv).catch(() => null);
};

/** Reverse proxy only: the key is present, nothing more. */
export const startCaddy: StartPeer = async ({ dir, upstreamPort, certificate }) => {
  const caddy = findProgram('caddy');
  if (caddy === null) return null;
  const port = await freePort();
  const tlsPort = await freePort();
  const file = join(dir, 'Caddyfile');
  const site = (address: string, tls: string): string => `${address} {
 ${tls}
 @k header X-FluxGate-API-Key *
 handle @k {
  reverse_proxy 127.0.0.1:${upstreamPort} {
   transport http {
    keepalive_idle_conns_per_host 256
   }
  }
 }
 handle /open/* {
  reverse_proxy 127.0.0.1:${upstreamPort}
 }
 respond 401
}
`;
  const secure = certificate === null ? '' : site(`https://127.0.0.1:${tlsPort}`, `tls ${certificate.cert} ${certificate.key}`);
  // Its own authority must not find its way into the trust store of this machine.
  const options =
    '{\n admin off\n default_sni 127.0.0.1\n auto_https off\n skip_install_trust\n log {\n  output discard\n }\n}\n';
  writeFileSync(file, options + site(`http://:${port}`, 'bind 127.0.0.1') + secure);
  return start(
    'caddy',
    cores().proxy,
    port,
    ['env', `HOME=${dir}`, 'GOMAXPROCS=1', caddy, 'run', '--config', file, '--adapter', 'caddyfile'],
    { tlsPort, quiet: true },
  );
};

/** Bytes copied both ways, nothing read: what sockets cost in Node. */
export const startRelay: StartPeer = async ({ dir, upstreamPort }) => {
  const port = await freePort();
  const file = join(dir, 'relay.mjs');
  writeFileSync(
    file,
    `import net from 'node:net';
net.createServer({ noDelay: true }, (c) => {
  const u = net.connect({ port: ${upstreamPort}, host: '127.0.0.1', noDelay: true });
  c.on('data', (d) => u.write(d)); u.on('data', (d) => c.write(d));
  c.on('close', () => u.destroy()); u.on('close', () => c.destroy()); c.on('error', () => {}); u.on('error', () => {});
}).listen(${port}, '127.0.0.1');
`,
  );
  return start('tcp relay', cores().proxy, port, [process.execPath, file]);
};
