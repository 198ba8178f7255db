// SPDX-License-Identifier: MIT

// Places that the lab cannot come to, each with the reason. One that is reached after all does not
// belong here: `folio-lab sites` fails on it as on one that is missing.

/// Why a place is never reached.
public struct Unreachable: Sendable {
  public var site: Site
  public var reason: String

  public static let all: [Unreachable] = []
}
