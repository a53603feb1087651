export {
  type PublicSigningJwk,
  type Signer,
  SignerUnavailable,
  type SigningAlgorithm,
  SigningKeyMissing,
} from '../ports/signer.ts';
export { LocalSigner } from './local-signer.ts';
