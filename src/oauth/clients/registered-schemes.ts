/**
 * Owns the list of URI schemes that IANA has registered: permanent, provisional and historical ones. Left out are those that the maker of one
 * app registered for that app only.
 * Does not check a redirect URI: see app-schemes.ts.
 * @see https://www.iana.org/assignments/uri-schemes/uri-schemes-1.csv as read on 2026-09-11 (RFC 7595). The list omits schemes that begin
 * with ms-: app-schemes.ts matches their prefix.
 */

const words = (text: string): string[] => text.trim().split(/\s+/);

const REGISTERED = words(`
  aaa aaas about acap acct acd acr adiumxtra adt aet afp afs agtp aim amss android appdata apt ar ari ark ars at attachment aw bb beshare
  bitcoin bitcoincash bl blob bluetooth bolo brid browserext cabal caip calculator callto cap cast casts chrome chrome-extension cid cm coap
  coap+tcp coap+ws coaps coaps+tcp coaps+ws content content-type crid cstr cttps cvs dab dat data dav dhttp diaspora dict did dilithium3 dis
  dlna-playcontainer dlna-playsingle dnp dns dntp doi donau dpp drm drop dtmi dtn dvb dvx dweb ed2k eid elsi embedded ens esim ethereum
  example ez facetime fax feed feedready fido file filesystem finger first-run-pen-experience fish fm ftp fuchsia-pkg gcx gdsi geo gg git
  gitoid gizmoproject go gopher graph grd gtalk h323 ham hcap hcp hs20 http https hxxp hxxps hydrazone hyper i0 iax ibi ibi- icap icon
  ilstring im imap info interaction iotdisco ipfs ipn ipns ipp ipps irc irc6 ircs iris iris.beep iris.lwz iris.xpc iris.xpcs isostore itms
  jabber jar jms lbry ldap ldaps leaptofrogans lid linkid lorawan lpa lvlt machineprovisioningprogressreporter magnet mailserver mailto maps
  market matrix mdoc mdoc-openid4vp message microsoft.windows.camera microsoft.windows.camera.multipicker microsoft.windows.camera.picker
  mid mms modem mongodb moz mqtt mqtts msnim msrp msrps mss mt mtqp mtrust mupdate musik mvn mvrp mvrps news nfs ni nih nntp nostr notes
  npamp num ocf oid onenote onenote-cmd opaquelocktoken openid openpgp4fpr otpauth p1 pack palm payment payto pkcs11 pkg platform pop pres
  prospero proxy psyc pttp pwid qb query quic-transport redis rediss reload res resource rmi rsync rtmfp rtmp rtsp rtsps rtspu sarif secret-
  token service session sftp sgn shc shelter sieve simpleledger simplex sip sips skype smb smp sms smtp snews snmp soap.beep soap.beeps
  soldat spacify spiffe ssb ssh sss starknet stun stuns submit svn swh swid swidpath tag taler teapot teapots tel telnet tftp thismessage
  thzp tip tn3270 tool tttps turn turns tv udp unreal upn upt urn ust ut2004 uuaid uuid-in-package v-event vemmi ves videotex view-source
  vnc w3 wais wasm wasm-js wcr web+ap web+interaction web3 webcal wifi wpid ws wss wtai wyciwyg xcompute xcon xcon-userid xftp xmlrpc.beep
  xmlrpc.beeps xmpp xrcp xri ymsgr z39.50 z39.50r z39.50s ztdnaid
`);

/** Registered schemes of protocols, identifiers, browsers and operating systems. Lower case, without the colon. */
export const REGISTERED_SCHEMES: ReadonlySet<string> = new Set(REGISTERED);
