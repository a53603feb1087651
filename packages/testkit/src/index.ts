export { Admin, type AdminAnswer } from './admin.ts';
export { type Certificate, hasOpenssl, makeCertificate } from './certificates.ts';
export { app, type GatewayNode, type House, type HouseOptions, home, startHouse } from './house.ts';
export { signToken, startTestIssuer, type TestIssuer } from './issuer.ts';
export { type LoadReport, startLoad } from './load.ts';
export { createDatabase, postgresUrl } from './postgres.ts';
export { type Running, startProcess } from './process.ts';
export { type Received, startUpstream, type Upstream } from './upstream.ts';
export { freePort, sleep, until } from './waiting.ts';
