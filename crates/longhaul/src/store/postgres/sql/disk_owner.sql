SELECT d.bytes FROM longhaul.names AS o JOIN longhaul.disk AS d ON d.owner = o.id WHERE o.name = $1
