package import FogCore
package import FogJobs

/// `POST /v1/worker/link`: the worker's half of the exchange. The signature of the request vouches for it.
package struct LinkRequest: Hashable, Sendable, Codable {
    package var exchange: Base64Bytes

    package init(exchange: Base64Bytes) { self.exchange = exchange }
}

/// The coordinator's half. Its signature of the answer vouches for it and binds it to the one request.
package struct LinkAnswer: Hashable, Sendable, Codable {
    package var link: LinkID
    package var exchange: Base64Bytes
    /// Without a request for so long, the link is forgotten.
    package var idle: TimeSpan

    package init(link: LinkID, exchange: Base64Bytes, idle: TimeSpan) {
        self.link = link
        self.exchange = exchange
        self.idle = idle
    }
}

package enum LinkSubject {}

/// A worker's link to the coordinator, until either forgets it.
package typealias LinkID = Identifier<LinkSubject>
