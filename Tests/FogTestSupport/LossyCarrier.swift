package import FogCore
package import FogNet
internal import Synchronization

/// Wraps a carrier and treats its requests as a bad network would: some are lost on the way, some answers are lost on
/// the way back, some requests arrive twice, and all are delayed differently, so that they overtake each other.
package final class LossyCarrier: Carrier {
    package struct Weather: Sendable {
        /// Of a message in either direction.
        package var loss = 0.2
        package var duplicates = 0.2
        package var longestDelay = TimeSpan.milliseconds(4)

        package init() {}
    }

    private struct Fate {
        let delay: TimeSpan
        let losesRequest: Bool
        let losesAnswer: Bool
        let arrivesTwice: Bool
    }

    private let carrier: any Carrier
    private let weather: Weather
    private let generator: Mutex<SeededGenerator>
    private let losses = Atomic<Int>(0)

    /// - Parameter seed: equal seeds deal equal fates, in the order of sending.
    package init(_ carrier: any Carrier, seed: UInt64, weather: Weather = Weather()) {
        self.carrier = carrier
        self.weather = weather
        generator = Mutex(SeededGenerator(seed: seed))
    }

    /// Messages that did not arrive so far.
    package var lost: Int { losses.load(ordering: .relaxed) }

    package func send(_ request: CarrierRequest, deadline: TimeSpan) async throws(CarrierFailure) -> CarrierResponse {
        let fate = deal()
        try? await Task.sleep(for: fate.delay.duration)
        guard !fate.losesRequest else { throw lose("the request") }
        async let second = fate.arrivesTwice ? result(request, deadline) : nil
        let first = await result(request, deadline)
        _ = await second
        guard !fate.losesAnswer else { throw lose("the answer") }
        return try first.get()
    }

    private func result(
        _ request: CarrierRequest, _ deadline: TimeSpan
    ) async -> Result<CarrierResponse, CarrierFailure> {
        do throws(CarrierFailure) {
            return .success(try await carrier.send(request, deadline: deadline))
        } catch {
            return .failure(error)
        }
    }

    private func deal() -> Fate {
        generator.withLock { generator in
            Fate(
                delay: .milliseconds(Int64(generator.unit() * Double(weather.longestDelay.milliseconds))),
                losesRequest: generator.unit() < weather.loss, losesAnswer: generator.unit() < weather.loss,
                arrivesTwice: generator.unit() < weather.duplicates)
        }
    }

    /// Not waited for: a loss looks like a deadline that has passed, and a test has better to do than to let it pass.
    private func lose(_ what: String) -> CarrierFailure {
        losses.add(1, ordering: .relaxed)
        return CarrierFailure("timeout", "\(what) was lost")
    }
}
