package import FogCore
internal import Glibc

/// The price of a class of capacity, moved by how much of it is booked.
package enum IndexPrice {
    package static let target = 0.7
    /// The most that a step raises or lowers the price, as an exponent: some 13 in a hundred.
    package static let step = 0.125
    package static let floor = Credits(micro: 100), ceiling = Credits(micro: 10_000_000)

    /// The price of the next epoch.
    ///
    /// As the base fee of EIP-1559, but exponential: up and down by the same use comes back to the same price.
    /// - Parameter utilisation: the share of capacity that is booked.
    package static func next(
        _ price: Credits, utilisation: Double, within bounds: ClosedRange<Credits> = floor...ceiling
    ) -> Credits {
        let pressure = max(-1, min(1, (utilisation - target) / target))
        let moved = (Double(price.micro) * exp(step * pressure) + 0.5).rounded(.down)
        guard moved.isFinite else { return bounds.upperBound }
        return Credits(
            micro: Int64(max(Double(bounds.lowerBound.micro), min(Double(bounds.upperBound.micro), moved))))
    }
}
