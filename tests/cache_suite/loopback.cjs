// Loaded before the suite's server, which passes a port to `listen` and no address: binds it to loopback.
const { Server } = require('net')

const listen = Server.prototype.listen
Server.prototype.listen = function (port, ...rest) {
  const isPort = typeof port === 'number' || typeof port === 'string'
  return listen.call(this, ...(isPort ? [Number(port), '127.0.0.1'] : [port]), ...rest)
}
