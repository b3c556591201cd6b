"""What people see: pure functions from Structs to Components V2 layouts.

Source: https://discord.com/developers/docs/components/reference
"""
