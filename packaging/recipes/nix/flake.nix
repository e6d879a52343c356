# Untested. Run from the root of the source: nix run path:.?dir=packaging/recipes/nix
{
  description = "Keeps ports open on the NAT gateway: PCP, NAT-PMP and UPnP IGD";

  inputs.nixpkgs.url = "nixpkgs";

  outputs =
    { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" "aarch64-darwin" ];
      each = nixpkgs.lib.genAttrs systems;
      package =
        pkgs:
        pkgs.python3Packages.buildPythonApplication {
          pname = "portmapperd";
          version = "0.2.0";
          pyproject = true;
          src = ../../..;
          build-system = [ pkgs.python3Packages.hatchling ];
          dependencies =
            with pkgs.python3Packages;
            [
              aiohttp async-upnp-client attrs cattrs defusedxml h11 pluggy prometheus-client psutil py-natpmp rich
              shtab tomli-w
            ];
          pythonImportsCheck = [ "portmapper" ];
          meta = {
            license = pkgs.lib.licenses.mit;
            mainProgram = "portmapper";
          };
        };
    in
    {
      packages = each (system: { default = package nixpkgs.legacyPackages.${system}; });
    };
}
